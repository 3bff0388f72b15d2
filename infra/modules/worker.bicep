import { identity as Identity } from 'types.bicep'

param location string
param tags object
param name string
param environmentId string
param registry string
param identity Identity
param schedulerEndpoint string
param taskHubName string
param image string
param maxReplicas int

// Work items for each replica before another one is added.
var workItemsPerReplica = '50'
var placeholder = 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'

resource worker 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    managedEnvironmentId: environmentId
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [{ server: registry, identity: identity.id }]
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'main'
          image: empty(image) ? placeholder : image
          resources: { cpu: json('0.5'), memory: '1Gi' }
          env: [
            {
              name: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING'
              value: 'Endpoint=${schedulerEndpoint};TaskHub=${taskHubName};Authentication=ManagedIdentity;ClientID=${identity.clientId}'
            }
          ]
        }
      ]
      scale: {
        minReplicas: 0
        maxReplicas: maxReplicas
        rules: [
          for workItemType in ['Orchestration', 'Activity']: {
            name: toLower(workItemType)
            custom: {
              type: 'azure-durabletask-scheduler'
              metadata: {
                endpoint: schedulerEndpoint
                taskhubName: taskHubName
                workItemType: workItemType
                maxConcurrentWorkItemsCount: workItemsPerReplica
              }
              identity: identity.id
            }
          }
        ]
      }
    }
  }
}
