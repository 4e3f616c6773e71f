// StoreSCPService
