// Where the pixels, the kernel's taps and the weights of a convolution lie.

struct Maps {              // which pixels lie under which tap
    int channels, H, W;    // x
    int Ho, Wo;            // windows
    int N;                 // images
    int kh, kw;            // taps of the kernel
    int stride_h, stride_w;
    int first_h, first_w;  // the pixel under the first tap of the first window; may be < 0
};

struct Strides {           // an element [a, b, c, d] lies at a · of_a + ... from the first
    int of_a, of_b, of_c, of_d;
};

__device__ ptrdiff_t offset(Strides s, ptrdiff_t a, ptrdiff_t b, ptrdiff_t c, ptrdiff_t d) {
    return a * s.of_a + b * s.of_b + c * s.of_c + d * s.of_d;
}
