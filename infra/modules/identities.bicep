import { identity } from 'types.bicep'

param location string
param tags object
param suffix string

// One for each part, so that each has only the permissions that it needs.
resource apiIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-api-${suffix}'
  location: location
  tags: tags
}

resource workerIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-worker-${suffix}'
  location: location
  tags: tags
}

output api identity = {
  id: apiIdentity.id
  clientId: apiIdentity.properties.clientId
  principalId: apiIdentity.properties.principalId
}

output worker identity = {
  id: workerIdentity.id
  clientId: workerIdentity.properties.clientId
  principalId: workerIdentity.properties.principalId
}
