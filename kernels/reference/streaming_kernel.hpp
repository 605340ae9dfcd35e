// The frame of kernels that read some arrays and write one.
#pragma once

#include "kernels/reference/buffer.hpp"
#include "kernels/reference/kernel.hpp"

#include <utility>

namespace orrery {

/// `run(copy)` writes all of `y`, of whose bytes it reads none but where `work` is told otherwise; `oracle()` gives what the
/// first copy of it must hold.
template <class Run, class Oracle>
PreparedKernel streaming_kernel(int copies, double bytes, double flop, const Shared<float>& y, Run run, Oracle oracle) {
    PreparedKernel kernel;
    kernel.work = Streaming{Bytes::from_si(bytes), 1, Flop::from_si(flop), bytes > 0.0 ? 4.0 * static_cast<double>(y->extent()) / bytes : 0.0};
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

/// The same kernel where no result is fetched before it is written: done in place, or always around the caches.
inline PreparedKernel without_fetches(PreparedKernel kernel) {
    std::get<Streaming>(*kernel.work).fresh_share = 0.0;
    return kernel;
}

}  // namespace orrery
