// The sums of a product that a thread keeps (`Sums`), in float32 or with factors in TF32.

#ifdef TF32
#include "tf32.cuh"
#else
#include "float32.cuh"
#endif
