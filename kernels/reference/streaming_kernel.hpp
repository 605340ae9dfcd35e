// The frame of kernels that read some arrays and write one.
#pragma once

#include "kernels/reference/buffer.hpp"
#include "kernels/reference/kernel.hpp"

#include <utility>

namespace orrery {

/// `run(copy)` writes all of `y`; `oracle()` gives what the first copy of it must hold.
template <class Run, class Oracle>
PreparedKernel streaming_kernel(int copies, double bytes, double flop, const Shared<float>& y, Run run, Oracle oracle) {
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(bytes), 1, Flop::from_si(flop)};
    kernel.flop = Flop::from_si(flop);
    kernel.bytes = Bytes::from_si(bytes);
    kernel.copies = copies;
    kernel.run = run;
    kernel.check = [y, run, oracle] {
        poison(y->values());
        run(0);
        return relative_error(y->values(), oracle());
    };
    return kernel;
}

}  // namespace orrery
