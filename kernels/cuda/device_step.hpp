// The training step of kernels/training_step.hpp by the kernels of a device: one text for the GPU and for its emulator, in
// fp32 or with bf16 activations under fp32 weights.
#pragma once

#include "kernels/cuda/prepare_attention_backward.hpp"
#include "kernels/cuda/prepare_elementwise.hpp"
#include "kernels/cuda/prepare_norm_backward.hpp"
#include "kernels/cuda/prepare_optimizers.hpp"
#include "kernels/cuda/picks.hpp"
#include "kernels/cuda/product_call.hpp"
#include "kernels/measure.hpp"
#include "kernels/training_step.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <numeric>

namespace orrery::cuda {

/// The clock of a device: a mark stands behind all that was launched, `gaps` are seconds from each to the next.
struct StepMarks {
    std::function<void()> mark;
    std::function<std::vector<double>()> gaps;
};

/// Weights in fp32 with their moments; products read a copy in T, whose gradient is in T too. Gains of norms and the
/// embedding have their gradients in fp32.
template <class Device, class T>
struct StepParameter {
    DeviceArray<Device, float> value, mean, square, wide_gradient;
    DeviceArray<Device, T> copy, gradient;
    /// What products and gathers read.
    [[nodiscard]] const T* read() const {
        if constexpr (std::is_same_v<T, float>) {
            return value[0];
        } else {
            return copy[0];
        }
    }
};

template <class Device, class T>
class DeviceDecoder {
  public:
    using Values = DeviceArray<Device, T>;
    using Parameter = StepParameter<Device, T>;

    DeviceDecoder(const StepShape& shape, std::uint64_t seed);
    /// Starts all operators of a step; `record(kind, work)` hears of each before it starts.
    template <class Record>
    void step(const Record& record, int number);
    [[nodiscard]] double loss() const;
    [[nodiscard]] double gradient_norm() const;

  private:
    static constexpr DataType type = std::is_same_v<T, float> ? DataType::fp32 : DataType::bf16;
    static constexpr ProductForm form = std::is_same_v<T, float> ? ProductForm::fp32 : ProductForm::bf16;
    static constexpr double size = sizeof(T);
    using Heard = std::function<void(const char* kind, const Work& work)>;

    struct Layer {
        Parameter norm_attention, query, key, value, output, norm_mlp, gate, up, down;
        Values input, normal, q, k, v, attended, middle, normal_mlp, gated, raised, active;
        DeviceArray<Device, float> sums;
    };
    struct Plan {
        ProductCall call;
        PlannedProduct run;
    };

    Parameter parameter(Index rows, Index columns, Rng& rng, bool ones, bool wide);
    void product(const ProductCall& call, const T* left, const T* right, T* out);
    void linear(const Values& x, const Parameter& w, const Values& y, Index in, Index out);
    void linear_backward(const Values& x, const Parameter& w, const Values& dy, const Values& dx, bool adds, Index in, Index out);
    void norm(const Values& x, const Parameter& gain, const Values& y);
    void norm_gradient(const Values& x, const Parameter& gain, const Values& dy, const Values& dx);
    void turn(const Values& x, Index heads, const DeviceArray<Device, float>& sines);
    void add(const Values& y, const Values& x);
    void forward(Layer& layer, const Values& output);
    void backward(Layer& layer);
    void update(int number);
    void streaming(double values, double flop_each, double bytes_each, double fresh_each) const {
        heard_("streaming", streaming_of(bytes_each * values, flop_each * values, fresh_each * values));
    }
    template <class Kernel>
    static void launch(const Kernel& kernel) {
        Device::launch(kernel.grid(), kernel);
    }
    [[nodiscard]] std::vector<const Parameter*> parameters() const;

    StepShape s_;
    Index tokens_, head_, kv_width_;
    PrefillShape attention_;
    Attention attention_work_;
    DeviceArray<Device, std::int32_t> inputs_, targets_;
    Parameter embedding_, norm_final_, unembedding_;
    std::vector<Layer> layers_;
    Values final_, logits_, projected_, stream_gradient_, hidden_a_, hidden_b_, inner_a_, inner_b_, inner_c_, dq_, dk_, dv_;
    DeviceArray<Device, float> cosines_, sines_, sines_back_, losses_, delta_, dq_sums_, partial_;
    std::vector<Plan> plans_;
    Heard heard_;
};

template <class Device, class T>
DeviceDecoder<Device, T>::DeviceDecoder(const StepShape& s, std::uint64_t seed)
    : s_(s), tokens_(s.batch * s.sequence), head_(s.hidden / s.heads), kv_width_(s.kv_heads * head_),
      attention_{s.batch, s.heads, s.kv_heads, head_, s.sequence, s.sequence, 0, true},
      attention_work_(work_of(AttentionShape{s.batch, s.heads, s.kv_heads, head_, s.sequence, s.sequence, 0, true}, type)) {
    Rng rng(seed);
    inputs_ = DeviceArray<Device, std::int32_t>(1, random_picks(tokens_, s.vocabulary, rng));
    targets_ = DeviceArray<Device, std::int32_t>(1, random_picks(tokens_, s.vocabulary, rng));
    embedding_ = parameter(s.vocabulary, s.hidden, rng, false, true);
    norm_final_ = parameter(1, s.hidden, rng, true, true);
    unembedding_ = parameter(s.hidden, s.vocabulary, rng, false, false);
    const auto wide = [&](Index width) { return Values(1, tokens_ * width); };
    for (Index i = 0; i < s.layers; ++i) {
        Layer layer;
        layer.norm_attention = parameter(1, s.hidden, rng, true, true);
        layer.query = parameter(s.hidden, s.hidden, rng, false, false);
        layer.key = parameter(s.hidden, kv_width_, rng, false, false);
        layer.value = parameter(s.hidden, kv_width_, rng, false, false);
        layer.output = parameter(s.hidden, s.hidden, rng, false, false);
        layer.norm_mlp = parameter(1, s.hidden, rng, true, true);
        layer.gate = parameter(s.hidden, s.inner, rng, false, false);
        layer.up = parameter(s.hidden, s.inner, rng, false, false);
        layer.down = parameter(s.inner, s.hidden, rng, false, false);
        for (Values* values : {&layer.input, &layer.normal, &layer.q, &layer.attended, &layer.middle, &layer.normal_mlp}) *values = wide(s.hidden);
        for (Values* values : {&layer.k, &layer.v}) *values = wide(kv_width_);
        for (Values* values : {&layer.gated, &layer.raised, &layer.active}) *values = wide(s.inner);
        layer.sums = DeviceArray<Device, float>(1, tokens_ * s.heads);
        layers_.push_back(layer);
    }
    for (Values* values : {&final_, &projected_, &stream_gradient_, &hidden_a_, &hidden_b_, &dq_}) *values = wide(s.hidden);
    for (Values* values : {&inner_a_, &inner_b_, &inner_c_}) *values = wide(s.inner);
    for (Values* values : {&dk_, &dv_}) *values = wide(kv_width_);
    logits_ = wide(s.vocabulary);
    losses_ = DeviceArray<Device, float>(1, tokens_);
    delta_ = DeviceArray<Device, float>(1, tokens_ * s.heads);
    dq_sums_ = DeviceArray<Device, float>(1, tokens_ * s.hidden);
    partial_ = DeviceArray<Device, float>(1, norm_backward_blocks(Device::processors()) * s.hidden);
    std::vector<float> cosines, sines, back;
    for (Index t = 0; t < tokens_; ++t) {
        for (Index i = 0; i < head_ / 2; ++i) {
            const double angle = static_cast<double>(t % s.sequence) * std::pow(rotary_base, -2.0 * static_cast<double>(i) / static_cast<double>(head_));
            cosines.push_back(static_cast<float>(std::cos(angle)));
            sines.push_back(static_cast<float>(std::sin(angle)));
            back.push_back(-sines.back());
        }
    }
    cosines_ = DeviceArray<Device, float>(1, cosines);
    sines_ = DeviceArray<Device, float>(1, sines);
    sines_back_ = DeviceArray<Device, float>(1, back);
}

// The values that the processor's step draws from the same seed.
template <class Device, class T>
typename DeviceDecoder<Device, T>::Parameter DeviceDecoder<Device, T>::parameter(Index rows, Index columns, Rng& rng, bool ones, bool wide) {
    const Index extent = rows * columns;
    std::vector<float> values(static_cast<std::size_t>(extent));
    const float scale = 1.7F / std::sqrt(static_cast<float>(s_.hidden));
    for (float& value : values) value = scale * (static_cast<float>(rng.next() >> 40) * 0x1p-23F - 1.0F);
    if (ones) std::fill(values.begin(), values.end(), 1.0F);
    const std::vector<float> nothing(values.size(), 0.0F);
    Parameter p;
    p.value = DeviceArray<Device, float>(1, values);
    p.mean = DeviceArray<Device, float>(1, nothing);
    p.square = DeviceArray<Device, float>(1, nothing);
    if (wide) {
        p.wide_gradient = DeviceArray<Device, float>(1, extent);
    } else {
        p.gradient = Values(1, extent);
    }
    if constexpr (!std::is_same_v<T, float>) {
        std::vector<T> low;
        for (const float value : values) low.push_back(element_from<T>(value));
        p.copy = Values(1, low);
    }
    return p;
}

// Plans are made at the first step, which is not measured; equal calls share one.
template <class Device, class T>
void DeviceDecoder<Device, T>::product(const ProductCall& call, const T* left, const T* right, T* out) {
    auto plan = std::find_if(plans_.begin(), plans_.end(), [&](const Plan& one) { return one.call == call; });
    if (plan == plans_.end()) {
        // Timing its algorithms writes the result: what accumulates is planned on a copy.
        const Values aside(1, call.accumulates ? call.out_stride() : 0);
        plan = plans_.insert(plans_.end(), {call, Device::plan_product(call, left, right, call.accumulates ? aside[0] : out)});
    }
    heard_("product", MatrixMultiply{call.columns, call.rows, call.depth, 1, type, call.accumulates ? 2.0 * size : size});
    plan->run(left, right, out);
}

template <class Device, class T>
void DeviceDecoder<Device, T>::linear(const Values& x, const Parameter& w, const Values& y, Index in, Index out) {
    product({form, false, out, tokens_, in}, w.read(), x[0], y[0]);
}

template <class Device, class T>
void DeviceDecoder<Device, T>::linear_backward(const Values& x, const Parameter& w, const Values& dy, const Values& dx, bool adds, Index in, Index out) {
    product({form, false, out, in, tokens_, 1, true}, dy[0], x[0], w.gradient[0]);
    product({form, true, in, tokens_, out, 1, false, adds}, w.read(), dy[0], dx[0]);
}

template <class Device, class T>
void DeviceDecoder<Device, T>::norm(const Values& x, const Parameter& gain, const Values& y) {
    streaming(static_cast<double>(tokens_ * s_.hidden), 5.0, 2.0 * size, size);
    launch_rows<Device>(RmsNormRow<T>{{{x[0]}, y[0]}, gain.value[0], device_norm_epsilon}, tokens_, s_.hidden);
}

template <class Device, class T>
void DeviceDecoder<Device, T>::norm_gradient(const Values& x, const Parameter& gain, const Values& dy, const Values& dx) {
    streaming(static_cast<double>(tokens_ * s_.hidden), 16.0, 3.0 * size, size);
    launch_norm_backward<Device, T, false>({x[0], gain.value[0], dy[0], dx[0], gain.wide_gradient[0], partial_[0]}, tokens_, s_.hidden, device_norm_epsilon);
}

template <class Device, class T>
void DeviceDecoder<Device, T>::turn(const Values& x, Index heads, const DeviceArray<Device, float>& sines) {
    constexpr int wide = values_in_vector<T>;
    const Index half = head_ / 2;
    streaming(static_cast<double>(tokens_ * heads * head_), 3.0, 2.0 * size, 0.0);
    half % wide == 0 ? launch(RotaryTurns<T, wide>{x[0], cosines_[0], sines[0], tokens_, heads, half})
                     : launch(RotaryTurns<T, 1>{x[0], cosines_[0], sines[0], tokens_, heads, half});
}

template <class Device, class T>
void DeviceDecoder<Device, T>::add(const Values& y, const Values& x) {
    streaming(static_cast<double>(tokens_ * s_.hidden), 1.0, 3.0 * size, 0.0);
    launch_elements<Device>(AddOperation<T>{{{y[0], x[0]}, {y[0]}}}, tokens_ * s_.hidden);
}

template <class Device, class T>
void DeviceDecoder<Device, T>::forward(Layer& l, const Values& output) {
    norm(l.input, l.norm_attention, l.normal);
    linear(l.normal, l.query, l.q, s_.hidden, s_.hidden);
    linear(l.normal, l.key, l.k, s_.hidden, kv_width_);
    linear(l.normal, l.value, l.v, s_.hidden, kv_width_);
    turn(l.q, s_.heads, sines_);
    turn(l.k, s_.kv_heads, sines_);
    heard_("attention", attention_work_);
    launch_prefill<Device>(attention_, l.q[0], l.k[0], l.v[0], l.attended[0], l.sums[0]);
    linear(l.attended, l.output, l.middle, s_.hidden, s_.hidden);
    add(l.middle, l.input);
    norm(l.middle, l.norm_mlp, l.normal_mlp);
    linear(l.normal_mlp, l.gate, l.gated, s_.hidden, s_.inner);
    linear(l.normal_mlp, l.up, l.raised, s_.hidden, s_.inner);
    streaming(static_cast<double>(tokens_ * s_.inner), 4.0 + exp_flop_counted, 3.0 * size, size);
    launch_elements<Device>(SwigluOperation<T>{{{l.gated[0], l.raised[0]}, {l.active[0]}}}, tokens_ * s_.inner);
    linear(l.active, l.down, output, s_.inner, s_.hidden);
    add(output, l.middle);
}

// Turns the gradient of the layer's output, in stream_gradient_, into that of its input.
template <class Device, class T>
void DeviceDecoder<Device, T>::backward(Layer& l) {
    linear_backward(l.active, l.down, stream_gradient_, inner_a_, false, s_.inner, s_.hidden);
    streaming(static_cast<double>(tokens_ * s_.inner), 9.0 + exp_flop_counted, 5.0 * size, 2.0 * size);
    launch_elements<Device>(SwigluBackwardOperation<T>{{{l.gated[0], l.raised[0], inner_a_[0]}, {inner_b_[0], inner_c_[0]}}}, tokens_ * s_.inner);
    linear_backward(l.normal_mlp, l.gate, inner_b_, hidden_a_, false, s_.hidden, s_.inner);
    linear_backward(l.normal_mlp, l.up, inner_c_, hidden_a_, true, s_.hidden, s_.inner);
    norm_gradient(l.middle, l.norm_mlp, hidden_a_, hidden_b_);
    add(stream_gradient_, hidden_b_);
    linear_backward(l.attended, l.output, stream_gradient_, hidden_a_, false, s_.hidden, s_.hidden);
    Attention work = attention_work_;
    work.backward = true;
    heard_("attention", work);
    launch_attention_backward<Device>(attention_, AttentionGradients<T>{l.q[0], l.k[0], l.v[0], l.attended[0], hidden_a_[0], l.sums[0], delta_[0], dq_sums_[0], dq_[0],
                                                                        dk_[0], dv_[0]});
    turn(dq_, s_.heads, sines_back_);
    turn(dk_, s_.kv_heads, sines_back_);
    linear_backward(l.normal, l.query, dq_, hidden_a_, false, s_.hidden, s_.hidden);
    linear_backward(l.normal, l.key, dk_, hidden_a_, true, s_.hidden, kv_width_);
    linear_backward(l.normal, l.value, dv_, hidden_a_, true, s_.hidden, kv_width_);
    norm_gradient(l.input, l.norm_attention, hidden_a_, hidden_b_);
    add(stream_gradient_, hidden_b_);
}

template <class Device, class T>
std::vector<const typename DeviceDecoder<Device, T>::Parameter*> DeviceDecoder<Device, T>::parameters() const {
    std::vector<const Parameter*> all{&embedding_, &norm_final_, &unembedding_};
    for (const Layer& l : layers_) {
        for (const Parameter* one : {&l.norm_attention, &l.query, &l.key, &l.value, &l.output, &l.norm_mlp, &l.gate, &l.up, &l.down}) all.push_back(one);
    }
    return all;
}

template <class Device, class T>
void DeviceDecoder<Device, T>::update(int number) {
    const AdamSettings settings;
    const AdamFactors factors{settings.first,
                              settings.second,
                              settings.rate / (1.0F - std::pow(settings.first, static_cast<float>(number))),
                              1.0F / (1.0F - std::pow(settings.second, static_cast<float>(number))),
                              settings.epsilon,
                              settings.rate * settings.decay};
    double bytes = 0.0;
    double elements = 0.0;
    for (const Parameter* p : parameters()) {
        const auto count = static_cast<double>(p->value.extent());
        elements += count;
        bytes += (24.0 + (p->wide_gradient.extent() > 0 ? 4.0 : size) + (std::is_same_v<T, float> ? 0.0 : size)) * count;
    }
    heard_("optimizer", streaming_of(bytes, 12.0 * elements, 0.0));
    for (const Parameter* p : parameters()) {
        T* copy = std::is_same_v<T, float> ? nullptr : p->copy[0];
        if (p->wide_gradient.extent() > 0) {
            launch(AdamWithCopy<float, T>{p->value[0], p->wide_gradient[0], p->mean[0], p->square[0], copy, p->value.extent(), factors});
        } else {
            launch(AdamWithCopy<T, T>{p->value[0], p->gradient[0], p->mean[0], p->square[0], copy, p->value.extent(), factors});
        }
    }
}

template <class Device, class T>
template <class Record>
void DeviceDecoder<Device, T>::step(const Record& record, int number) {
    heard_ = record;
    constexpr int wide = values_in_vector<T>;
    const Bytes row = Bytes::from_si(size * static_cast<double>(s_.hidden));
    const auto table = static_cast<double>(s_.vocabulary * s_.hidden);
    heard_("gather", Gather{tokens_, row, row * static_cast<double>(s_.vocabulary), false});
    T* first = layers_.empty() ? final_[0] : layers_.front().input[0];
    s_.hidden % wide == 0 ? launch(GatherRows<T, wide>{embedding_.read(), inputs_[0], first, tokens_, s_.hidden})
                          : launch(GatherRows<T, 1>{embedding_.read(), inputs_[0], first, tokens_, s_.hidden});
    for (std::size_t i = 0; i < layers_.size(); ++i) forward(layers_[i], i + 1 < layers_.size() ? layers_[i + 1].input : final_);
    norm(final_, norm_final_, projected_);
    linear(projected_, unembedding_, logits_, s_.hidden, s_.vocabulary);
    streaming(static_cast<double>(tokens_ * s_.vocabulary), 5.0 + exp_flop_counted, 2.0 * size, 0.0);
    launch_rows<Device>(CrossEntropyRow<T>{{{logits_[0]}, logits_[0]}, targets_[0], losses_[0], 1.0F / static_cast<float>(tokens_)}, tokens_, s_.vocabulary);
    linear_backward(projected_, unembedding_, logits_, hidden_a_, false, s_.hidden, s_.vocabulary);
    norm_gradient(final_, norm_final_, hidden_a_, stream_gradient_);
    for (std::size_t i = layers_.size(); i > 0; --i) backward(layers_[i - 1]);
    streaming(table, 0.0, 4.0, 4.0);
    launch(ClearValues{embedding_.wide_gradient[0], s_.vocabulary * s_.hidden});
    heard_("gather", Gather{tokens_, Bytes::from_si(4.0 * static_cast<double>(s_.hidden)), Bytes::from_si(4.0 * table), true});
    launch(ScatterAddRows<T>{embedding_.wide_gradient[0], inputs_[0], stream_gradient_[0], tokens_, s_.hidden});
    update(number);
}

template <class Device, class T>
double DeviceDecoder<Device, T>::loss() const {
    const std::vector<float> losses = losses_.read();
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

template <class Device, class T>
double DeviceDecoder<Device, T>::gradient_norm() const {
    double squares = 0.0;
    for (const Parameter* p : parameters()) {
        const std::vector<double> values = p->wide_gradient.extent() > 0 ? doubles_of(p->wide_gradient.read()) : doubles_of(p->gradient.read());
        for (const double value : values) squares += value * value;
    }
    return std::sqrt(squares);
}

/// Forward, backward and AdamW, `steps` times (at least 2; the first plans the products and is not measured). In fp32 losses
/// are those of run_training_step, but for the order of sums.
template <class Device, class T>
MeasuredStep run_step_on_device(const StepShape& shape, int steps, std::uint64_t seed, const StepMarks& marks) {
    DeviceDecoder<Device, T> decoder(shape, seed);
    MeasuredStep result;
    std::vector<Samples> samples;
    Samples totals;
    for (int number = 1; number <= std::max(steps, 2); ++number) {
        std::vector<StepOperator> operators;
        decoder.step(
            [&](const char* kind, const Work& work) {
                operators.push_back({kind, words_of_step(work), work, {}});
                marks.mark();
            },
            number);
        marks.mark();
        const std::vector<double> seconds = marks.gaps();
        result.losses.push_back(decoder.loss());
        result.operators = std::move(operators);
        samples.resize(result.operators.size());
        for (std::size_t i = 0; i < seconds.size() && number > 1; ++i) samples[i].calm.push_back(seconds[i]);
        if (number > 1) totals.calm.push_back(std::accumulate(seconds.begin(), seconds.end(), 0.0));
    }
    for (std::size_t i = 0; i < samples.size(); ++i) result.operators[i].measured = measurement_of(samples[i]).seconds();
    result.total = measurement_of(totals).seconds();
    result.gradient_norm = decoder.gradient_norm();
    return result;
}

}  // namespace orrery::cuda
