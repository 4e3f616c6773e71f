// WebWorkerService
