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
param minReplicas int
param maxReplicas int

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
          // `azd deploy` replaces it.
          image: 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'
          args: ['api']
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
          probes: [
            { type: 'Liveness', httpGet: { path: '/healthz', port: 8000 } }
            { type: 'Readiness', httpGet: { path: '/readyz', port: 8000 }, periodSeconds: 2, failureThreshold: 1 }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        // Each open stream is a request under way: docs/SIZING.md has the figure behind this one.
        rules: [{ name: 'streams', http: { metadata: { concurrentRequests: '5000' } } }]
      }
    }
  }
}

output url string = 'https://${host}'
