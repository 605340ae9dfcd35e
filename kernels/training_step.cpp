// The training step: a list of operators on bare arrays, each timed by itself.
#include "kernels/training_step.hpp"

#include "kernels/measure.hpp"
#include "kernels/reference/buffer.hpp"
#include "kernels/reference/operators.hpp"
#include "kernels/reference/peaks.hpp"
#include "kernels/reference/pinned_team.hpp"
#include "kernels/reference/stores.hpp"
#include "kernels/reference/team.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

namespace orrery {
namespace {

using StepClock = std::chrono::steady_clock;

struct Parameter {
    Shared<float> value, gradient, mean, square;
};

struct LayerParameters {
    Parameter norm_attention, query, key, value, output, norm_mlp, gate, up, down;
};

// What the backward pass needs of the forward pass of one layer.
struct LayerMemory {
    Shared<float> input, normal, q, k, v, attended, sums, middle, normal_mlp, gate, up, active;
};

// Runs operators in order and keeps their times, step after step.
class StepRecorder {
  public:
    void begin_step() {
        next_ = 0;
        start_ = StepClock::now();
    }
    void end_step() { totals_.push_back(since(start_)); }
    template <class Run>
    void operator()(const char* kind, const Work& work, const Run& run) {
        const StepClock::time_point begin = StepClock::now();
        run();
        const double seconds = since(begin);
        if (next_ == operators_.size()) {
            operators_.push_back({kind, words_of_step(work), work, {}});
            times_.emplace_back();
        }
        times_[next_++].push_back(seconds);
    }
    /// Of all steps but the first, as the suite takes its times: the median, or the fastest eighth of what is not steady.
    [[nodiscard]] MeasuredStep result() {
        for (std::size_t i = 0; i < operators_.size(); ++i) operators_[i].measured = taken(times_[i]);
        return {operators_, taken(totals_), {}, {}, 0.0};
    }

  private:
    static double since(StepClock::time_point begin) { return std::chrono::duration<double>(StepClock::now() - begin).count(); }
    static Seconds taken(const std::vector<double>& values) {
        return measurement_of({{values.begin() + 1, values.end()}, {}}).seconds();
    }
    std::vector<StepOperator> operators_;
    std::vector<std::vector<double>> times_;
    std::vector<double> totals_;
    StepClock::time_point start_;
    std::size_t next_ = 0;
};

// The model's state and its step.
class SmallDecoder {
  public:
    SmallDecoder(const StepShape& s, std::uint64_t seed);
    double step(StepRecorder& record, int number);
    [[nodiscard]] double gradient_norm() const;

  private:
    [[nodiscard]] std::vector<const Parameter*> parameters() const;
    Parameter parameter(Index rows, Index columns, Rng& rng, bool ones);
    void product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const float* a, const float* b, float beta, float* c);
    void linear(const Shared<float>& x, const Parameter& w, const Shared<float>& y, Index in, Index out);
    void linear_backward(const Shared<float>& x, const Parameter& w, const Shared<float>& dy, const Shared<float>& dx, float beta,
                         Index in, Index out);
    void forward(const LayerParameters& p, LayerMemory& m, const Shared<float>& output);
    void backward(const LayerParameters& p, LayerMemory& m);
    void norm(const Shared<float>& x, const Parameter& gain, const Shared<float>& y);
    void norm_gradient(const Shared<float>& x, const Parameter& gain, const Shared<float>& dy, const Shared<float>& dx);
    void turn(const Shared<float>& x, Index heads, const RotaryTable& table);
    void add(const Shared<float>& y, const Shared<float>& x);
    void update(int number);

    StepShape s_;
    Index tokens_, head_, kv_width_;
    AttentionShape attention_;
    Attention attention_work_;
    RotaryTable turn_, turn_back_;
    Shared<std::int32_t> inputs_, targets_;
    Parameter embedding_, norm_final_, unembedding_;
    std::vector<LayerParameters> layers_;
    std::vector<LayerMemory> memories_;
    Shared<float> final_, logits_, projected_, stream_gradient_, hidden_a_, hidden_b_, inner_a_, inner_b_, inner_c_, dq_, dk_, dv_;
    StepRecorder* record_ = nullptr;
};

SmallDecoder::SmallDecoder(const StepShape& s, std::uint64_t seed)
    : s_(s), tokens_(s.batch * s.sequence), head_(s.hidden / s.heads), kv_width_(s.kv_heads * head_),
      turn_(make_rotary(head_, s.sequence, 1.0F)), turn_back_(make_rotary(head_, s.sequence, -1.0F)) {
    Rng rng(seed);
    attention_ = {s.batch, s.heads, s.kv_heads, head_, s.sequence, s.sequence, 0, true};
    attention_work_.batch = s.batch;
    attention_work_.heads = s.heads;
    attention_work_.kv_heads = s.kv_heads;
    attention_work_.head_size = attention_work_.value_head_size = head_;
    attention_work_.queries = attention_work_.keys = s.sequence;
    attention_work_.type = attention_work_.kv_type = DataType::fp32;
    inputs_ = random_indices(1, tokens_, s.vocabulary, rng);
    targets_ = random_indices(1, tokens_, s.vocabulary, rng);
    embedding_ = parameter(s.vocabulary, s.hidden, rng, false);
    norm_final_ = parameter(1, s.hidden, rng, true);
    unembedding_ = parameter(s.hidden, s.vocabulary, rng, false);
    const auto wide = [&](Index width) { return zeros<float>(1, tokens_ * width); };
    for (Index i = 0; i < s.layers; ++i) {
        layers_.push_back({parameter(1, s.hidden, rng, true), parameter(s.hidden, s.hidden, rng, false),
                           parameter(s.hidden, kv_width_, rng, false), parameter(s.hidden, kv_width_, rng, false),
                           parameter(s.hidden, s.hidden, rng, false), parameter(1, s.hidden, rng, true),
                           parameter(s.hidden, s.inner, rng, false), parameter(s.hidden, s.inner, rng, false),
                           parameter(s.inner, s.hidden, rng, false)});
        memories_.push_back({wide(s.hidden), wide(s.hidden), wide(s.hidden), wide(kv_width_), wide(kv_width_), wide(s.hidden),
                             zeros<float>(1, s.batch * s.heads * s.sequence), wide(s.hidden), wide(s.hidden), wide(s.inner),
                             wide(s.inner), wide(s.inner)});
    }
    final_ = wide(s.hidden);
    logits_ = wide(s.vocabulary);
    projected_ = wide(s.hidden);
    stream_gradient_ = wide(s.hidden);
    hidden_a_ = wide(s.hidden);
    hidden_b_ = wide(s.hidden);
    inner_a_ = wide(s.inner);
    inner_b_ = wide(s.inner);
    inner_c_ = wide(s.inner);
    dq_ = wide(s.hidden);
    dk_ = wide(kv_width_);
    dv_ = wide(kv_width_);
}

Parameter SmallDecoder::parameter(Index rows, Index columns, Rng& rng, bool ones) {
    Parameter p{random_floats(1, rows * columns, rng, 1.7F / std::sqrt(static_cast<float>(s_.hidden))),
                zeros<float>(1, rows * columns), zeros<float>(1, rows * columns), zeros<float>(1, rows * columns)};
    if (ones) std::fill(p.value->values().begin(), p.value->values().end(), 1.0F);
    return p;
}

void SmallDecoder::product(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const float* a, const float* b,
                           float beta, float* c) {
    const MatrixMultiply work{m, n, k, 1, DataType::fp32, beta == 0.0F ? 4.0 : 8.0,
                              transpose_a ? Transposed::left : transpose_b ? Transposed::right : Transposed::none};
    (*record_)("product", work, [&] {
        sgemm(transpose_a, transpose_b, m, n, k, a, transpose_a ? m : k, b, transpose_b ? k : n, beta, c, n);
    });
}

void SmallDecoder::linear(const Shared<float>& x, const Parameter& w, const Shared<float>& y, Index in, Index out) {
    product(false, false, tokens_, out, in, (*x)[0], (*w.value)[0], 0.0F, (*y)[0]);
}

void SmallDecoder::linear_backward(const Shared<float>& x, const Parameter& w, const Shared<float>& dy, const Shared<float>& dx,
                                   float beta, Index in, Index out) {
    product(true, false, in, out, tokens_, (*x)[0], (*dy)[0], 0.0F, (*w.gradient)[0]);
    product(false, true, tokens_, in, out, (*dy)[0], (*w.value)[0], beta, (*dx)[0]);
}

void SmallDecoder::norm(const Shared<float>& x, const Parameter& gain, const Shared<float>& y) {
    const auto elements = static_cast<double>(tokens_ * s_.hidden);
    (*record_)("streaming", streaming_of(8.0 * elements, 5.0 * elements, 4.0 * elements),
               [&] { rms_norm((*x)[0], (*gain.value)[0], (*y)[0], tokens_, s_.hidden); });
}

void SmallDecoder::norm_gradient(const Shared<float>& x, const Parameter& gain, const Shared<float>& dy, const Shared<float>& dx) {
    const auto elements = static_cast<double>(tokens_ * s_.hidden);
    (*record_)("streaming", streaming_of(12.0 * elements, 16.0 * elements, 4.0 * elements), [&] {
        rms_norm_backward((*x)[0], (*gain.value)[0], (*dy)[0], (*dx)[0], (*gain.gradient)[0], tokens_, s_.hidden);
    });
}

void SmallDecoder::turn(const Shared<float>& x, Index heads, const RotaryTable& table) {
    const auto elements = static_cast<double>(tokens_ * heads * head_);
    (*record_)("streaming", streaming_of(8.0 * elements, 3.0 * elements, 0.0), [&] { rotary((*x)[0], tokens_, heads, table); });
}

void SmallDecoder::add(const Shared<float>& y, const Shared<float>& x) {
    const auto elements = static_cast<double>(tokens_ * s_.hidden);
    (*record_)("streaming", streaming_of(12.0 * elements, elements, 0.0), [&] { add_into((*y)[0], (*x)[0], tokens_ * s_.hidden); });
}

void SmallDecoder::forward(const LayerParameters& p, LayerMemory& m, const Shared<float>& output) {
    norm(m.input, p.norm_attention, m.normal);
    linear(m.normal, p.query, m.q, s_.hidden, s_.hidden);
    linear(m.normal, p.key, m.k, s_.hidden, kv_width_);
    linear(m.normal, p.value, m.v, s_.hidden, kv_width_);
    turn(m.q, s_.heads, turn_);
    turn(m.k, s_.kv_heads, turn_);
    (*record_)("attention", attention_work_, [&] {
        flash_attention(attention_, (*m.q)[0], (*m.k)[0], (*m.v)[0], (*m.attended)[0], (*m.sums)[0]);
    });
    linear(m.attended, p.output, m.middle, s_.hidden, s_.hidden);
    add(m.middle, m.input);
    norm(m.middle, p.norm_mlp, m.normal_mlp);
    linear(m.normal_mlp, p.gate, m.gate, s_.hidden, s_.inner);
    linear(m.normal_mlp, p.up, m.up, s_.hidden, s_.inner);
    const auto elements = static_cast<double>(tokens_ * s_.inner);
    (*record_)("streaming", streaming_of(12.0 * elements, (4.0 + exp_flop) * elements, 4.0 * elements),
               [&] { swiglu((*m.gate)[0], (*m.up)[0], (*m.active)[0], tokens_ * s_.inner); });
    linear(m.active, p.down, output, s_.inner, s_.hidden);
    add(output, m.middle);
}

// Turns the gradient of the layer's output, in stream_gradient_, into that of its input.
void SmallDecoder::backward(const LayerParameters& p, LayerMemory& m) {
    linear_backward(m.active, p.down, stream_gradient_, inner_a_, 0.0F, s_.inner, s_.hidden);
    const auto elements = static_cast<double>(tokens_ * s_.inner);
    (*record_)("streaming", streaming_of(20.0 * elements, (9.0 + exp_flop) * elements, 8.0 * elements), [&] {
        swiglu_backward((*m.gate)[0], (*m.up)[0], (*inner_a_)[0], (*inner_b_)[0], (*inner_c_)[0], tokens_ * s_.inner);
    });
    linear_backward(m.normal_mlp, p.gate, inner_b_, hidden_a_, 0.0F, s_.hidden, s_.inner);
    linear_backward(m.normal_mlp, p.up, inner_c_, hidden_a_, 1.0F, s_.hidden, s_.inner);
    norm_gradient(m.middle, p.norm_mlp, hidden_a_, hidden_b_);
    add(stream_gradient_, hidden_b_);
    linear_backward(m.attended, p.output, stream_gradient_, hidden_a_, 0.0F, s_.hidden, s_.hidden);
    Attention work = attention_work_;
    work.backward = true;
    (*record_)("attention", work, [&] {
        flash_attention_backward(attention_, (*m.q)[0], (*m.k)[0], (*m.v)[0], (*m.attended)[0], (*m.sums)[0], (*hidden_a_)[0],
                                 (*dq_)[0], (*dk_)[0], (*dv_)[0]);
    });
    turn(dq_, s_.heads, turn_back_);
    turn(dk_, s_.kv_heads, turn_back_);
    linear_backward(m.normal, p.query, dq_, hidden_a_, 0.0F, s_.hidden, s_.hidden);
    linear_backward(m.normal, p.key, dk_, hidden_a_, 1.0F, s_.hidden, kv_width_);
    linear_backward(m.normal, p.value, dv_, hidden_a_, 1.0F, s_.hidden, kv_width_);
    norm_gradient(m.input, p.norm_attention, hidden_a_, hidden_b_);
    add(stream_gradient_, hidden_b_);
}

std::vector<const Parameter*> SmallDecoder::parameters() const {
    std::vector<const Parameter*> all{&embedding_, &norm_final_, &unembedding_};
    for (const LayerParameters& p : layers_) {
        for (const Parameter* one : {&p.norm_attention, &p.query, &p.key, &p.value, &p.output, &p.norm_mlp, &p.gate, &p.up, &p.down}) {
            all.push_back(one);
        }
    }
    return all;
}

double SmallDecoder::gradient_norm() const {
    double squares = 0.0;
    for (const Parameter* one : parameters()) {
        for (const float value : one->gradient->values()) squares += static_cast<double>(value) * static_cast<double>(value);
    }
    return std::sqrt(squares);
}

// All parameters in one operator, as fused optimizers do.
void SmallDecoder::update(int number) {
    const std::vector<const Parameter*> all = parameters();
    double elements = 0.0;
    for (const Parameter* one : all) elements += static_cast<double>(one->value->extent());
    (*record_)("optimizer", streaming_of(28.0 * elements, 12.0 * elements, 0.0), [&] {
        for (const Parameter* p : all) {
            adam((*p->value)[0], (*p->gradient)[0], (*p->mean)[0], (*p->square)[0], p->value->extent(), number, {});
        }
    });
}

double SmallDecoder::step(StepRecorder& record, int number) {
    record_ = &record;
    record.begin_step();
    const Bytes row = Bytes::from_si(4.0 * static_cast<double>(s_.hidden));
    const Bytes table = row * static_cast<double>(s_.vocabulary);
    record("gather", Gather{tokens_, row, table, false},
           [&] { gather_rows((*embedding_.value)[0], (*inputs_)[0], (*memories_[0].input)[0], tokens_, s_.hidden); });
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        forward(layers_[i], memories_[i], i + 1 < layers_.size() ? memories_[i + 1].input : final_);
    }
    norm(final_, norm_final_, projected_);
    linear(projected_, unembedding_, logits_, s_.hidden, s_.vocabulary);
    double loss = 0.0;
    const auto logit_count = static_cast<double>(tokens_ * s_.vocabulary);
    record("streaming", streaming_of(8.0 * logit_count, (5.0 + exp_flop) * logit_count, 0.0),
           [&] { loss = cross_entropy((*logits_)[0], (*targets_)[0], tokens_, s_.vocabulary); });
    linear_backward(projected_, unembedding_, logits_, hidden_a_, 0.0F, s_.hidden, s_.vocabulary);
    norm_gradient(final_, norm_final_, hidden_a_, stream_gradient_);
    for (std::size_t i = layers_.size(); i > 0; --i) backward(layers_[i - 1], memories_[i - 1]);
    record("streaming", streaming_of(table.si(), 0.0, table.si()), [&] {
        deal_out(embedding_.gradient->extent(), 16384, [&](Index begin, Index end) { std::fill_n((*embedding_.gradient)[0] + begin, end - begin, 0.0F); });
    });
    record("gather", Gather{tokens_, row, table, true}, [&] {
        scatter_add((*embedding_.gradient)[0], (*inputs_)[0], (*stream_gradient_)[0], tokens_, s_.hidden);
    });
    update(number);
    record.end_step();
    return loss;
}

}  // namespace

std::string words_of_step(const Work& work) {
    if (const auto* product = std::get_if<MatrixMultiply>(&work)) {
        return "product " + std::to_string(product->m) + " x " + std::to_string(product->n) + " x " + std::to_string(product->k);
    }
    if (const auto* attention = std::get_if<Attention>(&work)) return attention->backward ? "attention, backward" : "attention, forward";
    if (const auto* gather = std::get_if<Gather>(&work)) return gather->scatter_add ? "scatter into the embedding" : "gather of the embedding";
    const auto& streaming = std::get<Streaming>(work);
    return "streaming of " + std::to_string(static_cast<std::int64_t>(streaming.bytes.si() / 1e3)) + " kB, " +
           std::to_string(static_cast<std::int64_t>(streaming.flop.si() / 1e3)) + " kflop";
}

Work streaming_of(double bytes, double flop, double fresh) {
    return Streaming{Bytes::from_si(bytes), 1, Flop::from_si(flop), bytes > 0.0 ? fresh / bytes : 0.0};
}

MeasuredStep run_training_step(const StepShape& shape, int steps, std::uint64_t seed) {
    SmallDecoder decoder(shape, seed);
    StepRecorder record;
    std::vector<double> losses;
    std::vector<FlopPerSecond> rates;
    for (int i = 1; i <= std::max(steps, 2); ++i) {
        const UrgentSpell urgent;   // of one step, well below a second
        rates.push_back(register_rate_now());
        losses.push_back(decoder.step(record, i));
    }
    MeasuredStep result = record.result();
    std::sort(rates.begin(), rates.end());
    result.register_rate = rates[rates.size() / 2];
    result.losses = std::move(losses);
    result.gradient_norm = decoder.gradient_norm();
    return result;
}

}  // namespace orrery
