// How the innermost loops of reference kernels are compiled.
#pragma once

/// A leaf with a loop that is worth compiling for AVX-512, AVX2 and any x86-64; the loader picks.
#if defined(__x86_64__)
#define ORRERY_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ORRERY_CLONES
#endif
/// A part of such leaves, compiled with each of them.
#define ORRERY_INLINE inline __attribute__((always_inline))
/// The same for a lambda, behind its parameters.
#define ORRERY_INLINE_BODY __attribute__((always_inline))
