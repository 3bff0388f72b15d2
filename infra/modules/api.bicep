import { identity as Identity } from 'types.bicep'

param location string
param tags object
param name string
param environmentId string
param environmentDomain string
param registry string
param identity Identity
param schedulerEndpoint string
param taskHubName string
param jwtAudience string
@secure()
param streamTokenSecret string
param image string
param requestsPerSecond int
param minReplicas int
param maxReplicas int

var placeholder = 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'
var host = '${name}.${environmentDomain}'

resource api 'Microsoft.App/containerApps@2025-01-01' = {
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
      ingress: {
        external: true
        targetPort: 8000
        transport: 'auto'
        // Any replica serves any client.
        stickySessions: { affinity: 'none' }
      }
      registries: [{ server: registry, identity: identity.id }]
      secrets: [{ name: 'stream-token-secret', value: streamTokenSecret }]
    }
    template: {
      // GRACE_MS, and some time to spare.
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'main'
          image: empty(image) ? placeholder : image
          resources: { cpu: json('1.0'), memory: '2Gi' }
          env: [
            {
              name: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING'
              value: 'Endpoint=${schedulerEndpoint};TaskHub=${taskHubName};Authentication=ManagedIdentity;ClientID=${identity.clientId}'
            }
            { name: 'JWT_ISSUER', value: '${az.environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0' }
            { name: 'JWT_AUDIENCE', value: jwtAudience }
            { name: 'STREAM_TOKEN_SECRET', secretRef: 'stream-token-secret' }
            { name: 'ALLOWED_HOSTS', value: host }
            // The ingress adds one address.
            { name: 'TRUST_PROXY', value: '1' }
            // Below the 240 s after which the ingress ends a request, with its spread of 20 %.
            { name: 'STREAM_MAX_AGE_MS', value: '190000' }
          ]
          // The placeholder would fail them.
          probes: empty(image) ? [] : [
            { type: 'Startup', httpGet: { path: '/healthz', port: 8000 }, periodSeconds: 6, failureThreshold: 10 }
            { type: 'Liveness', httpGet: { path: '/healthz', port: 8000 }, timeoutSeconds: 5 }
            { type: 'Readiness', httpGet: { path: '/readyz', port: 8000 }, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 1 }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [
          // In spite of its name it is a rate: the requests of 15 s, divided by 15.
          { name: 'requests', http: { metadata: { concurrentRequests: string(requestsPerSecond) } } }
          // The process uses one core, which is what it has here.
          { name: 'cpu', custom: { type: 'cpu', metadata: { type: 'Utilization', value: '60' } } }
        ]
      }
    }
  }
}

output url string = 'https://${host}'
