// Elementwise kernels as entries of the table of a device: copy, triad, add, SwiGLU, dropout, SGD, AdamW.
#pragma once

#include "kernels/cuda/device_array.hpp"
#include "kernels/cuda/elementwise.hpp"

#include <cmath>

namespace orrery::cuda {

constexpr double exp_flop_counted = 16.0;   // of one exponential, as the kernels of processors count it

template <class Device, class Operation>
void launch_elements(const Operation& operation, Index elements) {
    const Elementwise<Operation> kernel{operation, elements};
    Device::launch(kernel.grid(), kernel);
}

template <class Device, class T>
PreparedKernel copy_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto from = random_values<T>(extent, rng);
    const DeviceArray<Device, T> x(copies, from);
    const DeviceArray<Device, T> y(copies, extent);
    PreparedKernel kernel = streaming_on<Device>(
        copies, 2.0 * sizeof(T) * static_cast<double>(extent), 0.0, y,
        [=](int i) { launch_elements<Device>(CopyOperation<T>{{{x[i]}, {y[i]}}}, extent); }, [=] { return doubles_of(from); });
    kernel.error_max = 0.0;
    return kernel;
}

template <class Device, class T>
PreparedKernel triad_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto left = random_values<T>(extent, rng);
    const auto right = random_values<T>(extent, rng);
    const DeviceArray<Device, T> x(copies, left);
    const DeviceArray<Device, T> y(copies, right);
    const DeviceArray<Device, T> z(copies, extent);
    return streaming_on<Device>(
        copies, 3.0 * sizeof(T) * static_cast<double>(extent), 2.0 * static_cast<double>(extent), z,
        [=](int i) { launch_elements<Device>(TriadOperation<T>{{{x[i], y[i]}, {z[i]}}}, extent); },
        [=] {
            std::vector<double> want = doubles_of(left);
            for (std::size_t i = 0; i < want.size(); ++i) want[i] += 3.0 * static_cast<double>(value_of(right[i]));
            return want;
        });
}

template <class Device, class T>
PreparedKernel add_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto left = random_values<T>(extent, rng);
    const auto right = random_values<T>(extent, rng, 1e-3F);
    const DeviceArray<Device, T> y(copies, left);
    const DeviceArray<Device, T> x(copies, right);
    PreparedKernel kernel = streaming_frame<Device>(copies, 3.0 * sizeof(T) * static_cast<double>(extent), static_cast<double>(extent));
    kernel.error_max = error_allowed<T>;
    kernel.run = [=](int i) { launch_elements<Device>(AddOperation<T>{{{y[i], x[i]}, {y[i]}}}, extent); };
    kernel.check = [=, run = kernel.run] {
        y.write(0, left);
        run(0);
        std::vector<double> want = doubles_of(left);
        for (std::size_t i = 0; i < want.size(); ++i) want[i] += static_cast<double>(value_of(right[i]));
        return relative_error(floats_of(y.read()), want);
    };
    return kernel;
}

template <class Device, class T>
PreparedKernel swiglu_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0] * c.sizes[1];
    const auto gates = random_values<T>(extent, rng, 4.0F);
    const auto ups = random_values<T>(extent, rng);
    const DeviceArray<Device, T> gate(copies, gates);
    const DeviceArray<Device, T> up(copies, ups);
    const DeviceArray<Device, T> y(copies, extent);
    return streaming_on<Device>(
        copies, 3.0 * sizeof(T) * static_cast<double>(extent), (4.0 + exp_flop_counted) * static_cast<double>(extent), y,
        [=](int i) { launch_elements<Device>(SwigluOperation<T>{{{gate[i], up[i]}, {y[i]}}}, extent); },
        [=] {
            std::vector<double> want = doubles_of(gates);
            for (std::size_t i = 0; i < want.size(); ++i) want[i] = want[i] / (1.0 + std::exp(-want[i])) * static_cast<double>(value_of(ups[i]));
            return want;
        });
}

/// The derivative of silu by calculus, in float64: s (1 + g (1 - s)) with s the sigmoid of g.
template <class Device, class T>
PreparedKernel swiglu_backward_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0] * c.sizes[1];
    const auto gates = random_values<T>(extent, rng, 4.0F);
    const auto ups = random_values<T>(extent, rng);
    const auto dys = random_values<T>(extent, rng);
    const DeviceArray<Device, T> gate(copies, gates);
    const DeviceArray<Device, T> up(copies, ups);
    const DeviceArray<Device, T> dy(copies, dys);
    const DeviceArray<Device, T> dgate(copies, extent);
    const DeviceArray<Device, T> dup(copies, extent);
    PreparedKernel kernel = streaming_frame<Device>(copies, 5.0 * sizeof(T) * static_cast<double>(extent),
                                                    (9.0 + exp_flop_counted) * static_cast<double>(extent));
    kernel.error_max = error_allowed<T>;
    kernel.run = [=](int i) {
        launch_elements<Device>(SwigluBackwardOperation<T>{{{gate[i], up[i], dy[i]}, {dgate[i], dup[i]}}}, extent);
    };
    kernel.check = [=, run = kernel.run] {
        dgate.poison();
        dup.poison();
        run(0);
        std::vector<double> want_gate;
        std::vector<double> want_up;
        for (std::size_t i = 0; i < gates.size(); ++i) {
            const auto g = static_cast<double>(value_of(gates[i]));
            const auto d = static_cast<double>(value_of(dys[i]));
            const double sigmoid = 1.0 / (1.0 + std::exp(-g));
            want_gate.push_back(d * static_cast<double>(value_of(ups[i])) * sigmoid * (1.0 + g * (1.0 - sigmoid)));
            want_up.push_back(d * g * sigmoid);
        }
        return std::max(relative_error(floats_of(dgate.read()), want_gate), relative_error(floats_of(dup.read()), want_up));
    };
    return kernel;
}

template <class Device, class T>
PreparedKernel dropout_kernel(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    const auto from = random_values<T>(extent, rng);
    const DeviceArray<Device, T> x(copies, from);
    const DeviceArray<Device, T> y(copies, extent);
    PreparedKernel kernel = streaming_on<Device>(
        copies, 2.0 * sizeof(T) * static_cast<double>(extent), 10.0 * static_cast<double>(extent), y,
        [=](int i) { launch_elements<Device>(DropoutOperation<T>{{{x[i]}, {y[i]}}}, extent); },
        [=] {
            std::vector<double> want = doubles_of(from);
            for (std::size_t i = 0; i < want.size(); ++i) {
                want[i] = mixed_counter(static_cast<std::uint32_t>(i)) < dropped_below ? 0.0 : want[i] / 0.9;
            }
            return want;
        });
    // Beyond the values: as many as the rate says are dropped, within five standard deviations.
    kernel.check = [=, values = kernel.check] {
        const double error = values();
        double zeros_seen = 0.0;
        for (const T value : y.read()) zeros_seen += value_of(value) == 0.0F ? 1.0 : 0.0;
        const auto n = static_cast<double>(extent);
        const double off = zeros_seen - 0.1 * n;
        return off * off > 25.0 * 0.09 * n + 25.0 ? 1.0 : error;
    };
    return kernel;
}

/// `oracle(weights, gradient)` gives the first step from zero state: what is subtracted is compared, not the weights that
/// it changes little.
template <class Device, class Step, class Oracle>
PreparedKernel optimizer_on(int copies, Index extent, double bytes_each, double flop_each, Index state, Rng& rng, Step step, Oracle oracle) {
    const auto start = random_values<float>(extent, rng);
    const auto slope = random_values<float>(extent, rng);
    const std::vector<float> nothing(static_cast<std::size_t>(state), 0.0F);
    const DeviceArray<Device, float> weights(copies, start);
    const DeviceArray<Device, float> gradient(copies, slope);
    const DeviceArray<Device, float> states(copies, nothing);
    PreparedKernel kernel = streaming_frame<Device>(copies, bytes_each * static_cast<double>(extent), flop_each * static_cast<double>(extent));
    kernel.run = [=](int i) { step(weights[i], gradient[i], states[i]); };
    kernel.check = [=, run = kernel.run] {
        weights.write(0, start);
        states.write(0, nothing);
        run(0);
        std::vector<float> got = weights.read();
        for (std::size_t i = 0; i < got.size(); ++i) got[i] -= start[i];
        return relative_error(got, oracle(start, slope));
    };
    // The difference of two weights keeps 13 bits of a step of 1e-3; of a few steps all may be small.
    kernel.error_max = extent < 16 ? 5e-3 : 2e-4;
    return kernel;
}

template <class Device>
PreparedKernel prepare_sgd(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    return optimizer_on<Device>(
        copies, extent, 20.0, 4.0, extent, rng,
        [=](float* w, const float* g, float* momentum) {
            launch_elements<Device>(SgdOperation{{{w, g, momentum}, {w, momentum}}}, extent);
        },
        [](const std::vector<float>&, const std::vector<float>& g) {
            std::vector<double> want = doubles_of(g);
            for (double& value : want) value *= -1e-3;
            return want;
        });
}

template <class Device>
PreparedKernel prepare_adam(const KernelCase& c, int copies, Rng& rng) {
    const Index extent = c.sizes[0];
    return optimizer_on<Device>(
        copies, extent, 28.0, 12.0, 2 * ceil_div(extent, 4) * 4, rng,
        [=](float* w, const float* g, float* state) {
            float* square = state + ceil_div(extent, 4) * 4;   // both aligned
            launch_elements<Device>(AdamOperation{{{w, g, state, square}, {w, state, square}},
                                                  {0.9F, 0.95F, 1e-3F / (1.0F - 0.9F), 1.0F / (1.0F - 0.95F), 1e-8F, 1e-4F}}, extent);
        },
        [](const std::vector<float>& w, const std::vector<float>& g) {   // both moments are the gradient's own
            std::vector<double> want;
            for (std::size_t i = 0; i < w.size(); ++i) {
                const auto slope = static_cast<double>(g[i]);
                want.push_back(-1e-3 * (slope / (std::abs(slope) + 1e-8) + 0.1 * static_cast<double>(w[i])));
            }
            return want;
        });
}

}  // namespace orrery::cuda
