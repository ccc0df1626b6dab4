// The ReLU of scale x + shift, computed where x is read. RELU is 1 where a kernel reads such an x.

#ifndef RELU
#define RELU 0
#endif

#define OUTSIDE 0x7fc0ffee  // stands for a pixel outside of the maps: a NaN that no arithmetic makes

__device__ float relu(float value) {
    return value < 0 ? 0.f : value;  // a NaN is not less than 0, and stays
}
