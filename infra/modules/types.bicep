@export()
@description('A user-assigned managed identity.')
type identity = {
  id: string
  clientId: string
  principalId: string
}
