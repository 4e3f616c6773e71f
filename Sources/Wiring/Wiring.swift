// Wiring
