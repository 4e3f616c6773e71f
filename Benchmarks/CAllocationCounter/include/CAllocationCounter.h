#pragma once

/// Allocations of this process so far, by malloc, calloc, realloc and aligned variants.
unsigned long wado_allocations(void);
