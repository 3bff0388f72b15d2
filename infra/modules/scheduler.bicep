param location string
param tags object
param name string
param taskHubName string
param skuName string
param capacity int
param ipAllowlist array
param apiPrincipalId string
param workerPrincipalId string
param readOnly bool

// Built-in roles: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/integration
var roles = {
  dataContributor: '0ad04412-c4d5-4796-b79c-f76d14c8d402'
  dataReader: 'd6a5505f-6ebb-45a4-896e-ac8274cfc0ac'
  worker: '80d0d6b0-f522-40a4-8886-a5a11720c375'
}
var apiRole = readOnly ? roles.dataReader : roles.dataContributor

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    ipAllowlist: ipAllowlist
    sku: skuName == 'Dedicated' ? { name: skuName, capacity: capacity } : { name: skuName }
  }
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: taskHubName
}

// For this task hub alone.
resource apiAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(taskHub.id, apiPrincipalId, apiRole)
  scope: taskHub
  properties: {
    principalId: apiPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', apiRole)
  }
}

resource workerAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(taskHub.id, workerPrincipalId, roles.worker)
  scope: taskHub
  properties: {
    principalId: workerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.worker)
  }
}

output endpoint string = scheduler.properties.endpoint
output taskHubName string = taskHub.name
