// The door to oneDNN: an engine, a stream and memory over our own arrays.
#pragma once

#include "hardware/data_type.hpp"
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/operators.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <string>
#include <unordered_map>

namespace orrery {

/// A library's memory over pages of ours, which must live as long.
struct OwnedMemory {
    dnnl::memory memory;
    Shared<std::uint8_t> data;
};

struct OneDnn {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};

    [[nodiscard]] dnnl::memory over(const dnnl::memory::desc& shape, const void* data) const {
        return {shape, engine, const_cast<void*>(data)};
    }
    /// Memory of its own in a form of the library's choice.
    [[nodiscard]] OwnedMemory own(const dnnl::memory::desc& shape) const {
        const auto bytes = static_cast<Index>(shape.get_size());
        Shared<std::uint8_t> data = zeros<std::uint8_t>(1, bytes);
        return {dnnl::memory(shape, engine, bytes > 0 ? (*data)[0] : nullptr), data};
    }
    void run(const dnnl::primitive& primitive, const std::unordered_map<int, dnnl::memory>& arguments) const {
        dnnl::stream same = stream;   // a handle: the library's own calls are not const
        primitive.execute(same, arguments);
        same.wait();
    }
};

}  // namespace orrery
