// ServerService
