// The door to oneDNN: an engine, a stream and memory over our own arrays.
#pragma once

#include "hardware/data_type.hpp"
#include "kernels/reference/operators.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <string>
#include <unordered_map>

namespace orrery {

struct OneDnn {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};

    [[nodiscard]] dnnl::memory over(const dnnl::memory::desc& shape, const void* data) const {
        return {shape, engine, const_cast<void*>(data)};
    }
    void run(const dnnl::primitive& primitive, const std::unordered_map<int, dnnl::memory>& arguments) const {
        dnnl::stream same = stream;   // a handle: the library's own calls are not const
        primitive.execute(same, arguments);
        same.wait();
    }
};

}  // namespace orrery
