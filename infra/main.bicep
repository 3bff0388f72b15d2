targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the environment. Names of all resources derive from it.')
param environmentName string

@description('Region of the container apps. It must be one that has Durable Task Scheduler, unless schedulerLocation names another.')
param location string

@description('Region of the scheduler.')
param schedulerLocation string = location

@allowed(['Consumption', 'Dedicated'])
@description('Consumption is billed by the action: up to 500 a second, retention up to 30 days. Dedicated: 2,000 a second and 50 GB for each capacity unit; three units are highly available.')
param schedulerSku string = 'Consumption'

@minValue(1)
@maxValue(3)
@description('Capacity units of a Dedicated scheduler.')
param schedulerCapacity int = 1

@description('Addresses that may reach the scheduler, as CIDR ranges. It must not be empty: an empty list denies all.')
param ipAllowlist array = ['0.0.0.0/0']

@description('Whether the API may start and control operations. If not, its identity can only read.')
param readOnly bool = false

@description('Application ID URI, or client id, that tokens for this API are issued for: docs/DEPLOYMENT.md.')
param jwtAudience string

@secure()
@minLength(32)
@description('Signs the tokens of streams. All replicas share it.')
param streamTokenSecret string

@minValue(1)
@description('Replicas of the API that always run. The clients of the only one would wait for its successor.')
param apiMinReplicas int = 2

@minValue(1)
@description('Limit of API replicas.')
param apiMaxReplicas int = 10

@minValue(1)
@description('Requests a second and API replica above which a replica is added. Streams count when they are opened: 25 a second are the planned reconnects of 5,000. Raise it where clients poll.')
param apiRequestsPerSecond int = 25

@minValue(1)
@description('Limit of worker replicas. None runs while there is no work.')
param workerMaxReplicas int = 10

@description('Image of the API. `azd deploy` sets it; empty: a placeholder.')
param apiImage string = ''

@description('Image of the worker, as apiImage.')
param workerImage string = ''

var tags = { 'azd-env-name': environmentName }
var suffix = toLower(uniqueString(subscription().id, environmentName, location))

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
  }
}

module scheduler 'modules/scheduler.bicep' = {
  scope: group
  params: {
    location: schedulerLocation
    tags: tags
    name: 'dts-${suffix}'
    taskHubName: 'default'
    skuName: schedulerSku
    capacity: schedulerCapacity
    ipAllowlist: ipAllowlist
    apiPrincipalId: identities.outputs.api.principalId
    workerPrincipalId: identities.outputs.worker.principalId
    readOnly: readOnly
  }
}

module environment 'modules/environment.bicep' = {
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    pullPrincipalIds: [identities.outputs.api.principalId, identities.outputs.worker.principalId]
  }
}

module api 'modules/api.bicep' = {
  scope: group
  params: {
    location: location
    tags: union(tags, { 'azd-service-name': 'api' })
    name: 'ca-api-${suffix}'
    environmentId: environment.outputs.id
    environmentDomain: environment.outputs.domain
    registry: environment.outputs.registry
    identity: identities.outputs.api
    schedulerEndpoint: scheduler.outputs.endpoint
    taskHubName: scheduler.outputs.taskHubName
    jwtAudience: jwtAudience
    streamTokenSecret: streamTokenSecret
    image: apiImage
    requestsPerSecond: apiRequestsPerSecond
    minReplicas: apiMinReplicas
    maxReplicas: apiMaxReplicas
  }
}

module worker 'modules/worker.bicep' = if (!readOnly) {
  scope: group
  params: {
    location: location
    tags: union(tags, { 'azd-service-name': 'worker' })
    name: 'ca-worker-${suffix}'
    environmentId: environment.outputs.id
    registry: environment.outputs.registry
    identity: identities.outputs.worker
    schedulerEndpoint: scheduler.outputs.endpoint
    taskHubName: scheduler.outputs.taskHubName
    image: workerImage
    maxReplicas: workerMaxReplicas
  }
}

output AZURE_CONTAINER_REGISTRY_ENDPOINT string = environment.outputs.registry
output API_URL string = api.outputs.url
output SCHEDULER_ENDPOINT string = scheduler.outputs.endpoint
output TASKHUB_NAME string = scheduler.outputs.taskHubName
