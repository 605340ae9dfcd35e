// The mixer of a state-space layer on one rank: projections, short convolution, scan, gate.
//
// Mamba-1: Gu & Dao, arXiv 2312.00752. Mamba-2 and its chunked scan (SSD): Dao & Gu, arXiv 2405.21060, section 6.
// Tensor parallelism splits channels and heads; groups are repeated where there are fewer (section 8.1 of the latter).
#include "models/layer_parameters.hpp"
#include "models/layer_tasks.hpp"

#include <algorithm>

namespace orrery {
namespace {

/// Sizes of one rank's mixer.
struct MixerShape {
    std::int64_t inner;
    std::int64_t heads;
    std::int64_t groups;
    std::int64_t state;
    std::int64_t channels;  // of the convolution
    std::int64_t chunk;
    std::int64_t chunks;    // of all sequences
};

MixerShape mixer_shape(const Architecture& a, const LayerShape& s) {
    const StateSpace& mixer = a.state_space;
    MixerShape m{};
    m.inner = mixer.inner / s.tensor;
    m.heads = std::max(mixer.heads / s.tensor, 1);
    m.groups = std::max(mixer.groups / s.tensor, 1);
    m.state = mixer.state;
    m.channels = m.inner + (mixer.rank > 0 ? 0 : 2 * m.groups * m.state);
    m.chunk = std::min<std::int64_t>(mixer.chunk, s.sequence);
    m.chunks = s.batch * ((s.sequence + m.chunk - 1) / m.chunk);
    return m;
}

/// Forward and backward bytes an element of 16-bit training, and kernels each way.
LayerPiece mixer_streaming(const LayerShape& s, std::string_view name, double forward, double backward,
                           std::int64_t width, std::int64_t kernels) {
    return {{streaming_task(name, scaled_bytes(s, forward, s.tokens, width), kernels)},
            {streaming_task(name, scaled_bytes(s, backward, s.tokens, width), kernels)}};
}

/// The scan of Mamba-2 as four batched products a chunk (scores of states, their product with the channels, the state
/// a chunk adds, what the state before gives to it) and the passing on of states; backward twice the products.
LayerPiece chunked_scan(const LayerShape& s, const MixerShape& m) {
    const std::int64_t channels = m.inner / m.heads;
    const auto product = [&](std::string_view name, std::int64_t rows, std::int64_t columns, std::int64_t depth,
                             std::int64_t batch) {
        return compute_task(name, MatrixMultiply{rows, columns, depth, batch, s.wide_type, s.element_bytes},
                            OperatorClass::attention);
    };
    const double states = 4.0 * static_cast<double>(m.chunks * m.heads) * static_cast<double>(m.state * channels);
    const std::vector<GraphTask> products{
        product("scan scores", m.chunk, m.chunk, m.state, m.chunks * m.groups),
        product("scan in chunk", m.chunk, channels, m.chunk, m.chunks * m.heads),
        product("scan chunk state", m.state, channels, m.chunk, m.chunks * m.heads),
        product("scan state out", m.chunk, channels, m.state, m.chunks * m.heads)};
    LayerPiece piece;
    piece.forward = products;
    piece.forward.push_back(streaming_task("scan states passed on", 2.0 * states, 2));
    piece.backward = {streaming_task("scan states passed back", 4.0 * states, 3)};
    append(piece.backward, products);
    append(piece.backward, products);
    return piece;
}

/// The scan of Mamba-1 as one kernel: channels, step and gate in, one output; each value of state costs a decay with
/// its exponential, an update and a read-out. Backward makes the states again.
LayerPiece selective_scan(const LayerShape& s, const MixerShape& m) {
    constexpr double flop_per_state = 9.0;  // Gu & Dao's count: 9 B L D N
    const double tokens = static_cast<double>(s.tokens);
    const double bytes = scaled_bytes(s, 8.0, s.tokens, m.inner) + scaled_bytes(s, 4.0, s.tokens, m.state);
    const Flop flop = Flop::from_si(flop_per_state * tokens * static_cast<double>(m.inner * m.state));
    return {{compute_task("selective scan", Streaming{Bytes::from_si(bytes), 1, flop}, OperatorClass::streaming)},
            {compute_task("selective scan gradient", Streaming{Bytes::from_si(2.0 * bytes), 1, 2.5 * flop},
                          OperatorClass::streaming)}};
}

std::vector<LayerPiece> first_mixer(const Architecture& a, const LayerShape& s, const MixerShape& m) {
    const std::int64_t rank = a.state_space.rank;
    const LinearNames in{"mixer in", "mixer in input gradient", "mixer in weight gradient", "mixer in cast"};
    const LinearNames states{"state projections", "state projections input gradient",
                             "state projections weight gradient", "state projections cast"};
    const LinearNames step{"step projection", "step projection input gradient", "step projection weight gradient",
                           "step projection cast"};
    std::vector<LayerPiece> pieces{linear_piece(s, in, s.tokens, 2 * m.inner, s.hidden, false),
                                   mixer_streaming(s, "convolution", 4.0, 8.0, m.channels, 1),
                                   linear_piece(s, states, s.tokens, rank + 2 * m.state, m.inner, false)};
    pieces.push_back(sum_over_tensor(s, "state projections all-reduce", rank + 2 * m.state));
    if (a.state_space.inner_norms) pieces.push_back(mixer_streaming(s, "state norms", 4.0, 6.0, rank + 2 * m.state, 3));
    pieces.push_back(linear_piece(s, step, s.tokens, m.inner, rank, false));
    pieces.push_back(selective_scan(s, m));
    return pieces;
}

}  // namespace

StateSpaceParameters state_space_parameters(const Architecture& a) {
    const StateSpace& m = a.state_space;
    const double inner = m.inner;
    StateSpaceParameters p;
    p.out = inner * a.hidden;
    if (m.rank > 0) {
        const double latent = m.rank + 2.0 * m.state;
        p.in = 2.0 * inner * a.hidden;
        p.projections = inner * latent + m.rank * inner;
        // Convolution with bias, step bias, decay of each state, skip.
        p.vectors = inner * (m.convolution + 1.0) + inner + inner * m.state + inner;
        if (m.inner_norms) p.vectors += latent;
        return p;
    }
    const double channels = inner + 2.0 * m.groups * m.state;
    p.in = a.hidden * (inner + channels + m.heads);
    p.vectors = channels * (m.convolution + 1.0) + 3.0 * m.heads + inner;  // step bias, decay, skip; gated norm
    return p;
}

std::pair<double, double> state_space_share(const Architecture& a, const LayerShape& s) {
    const MixerShape m = mixer_shape(a, s);
    const StateSpaceParameters p = state_space_parameters(a);
    if (a.state_space.rank > 0) return {(p.matrices() + p.vectors) / s.tensor, 0.0};
    const double channels = static_cast<double>(m.channels);
    const double in = static_cast<double>(s.hidden) * (static_cast<double>(m.inner + m.heads) + channels);
    const double vectors = channels * (a.state_space.convolution + 1.0) + static_cast<double>(3 * m.heads + m.inner);
    return {in + vectors + p.out / s.tensor, 0.0};
}

std::vector<LayerPiece> state_space_pieces(const Architecture& a, const LayerShape& s) {
    const LinearNames in{"mixer in", "mixer in input gradient", "mixer in weight gradient", "mixer in cast"};
    const LinearNames out{"mixer out", "mixer out input gradient", "mixer out weight gradient", "mixer out cast"};
    const MixerShape m = mixer_shape(a, s);
    std::vector<LayerPiece> pieces;
    if (a.state_space.rank > 0) {
        pieces = first_mixer(a, s, m);
    } else {
        pieces = {linear_piece(s, in, s.tokens, m.inner + m.channels + m.heads, s.hidden, false),
                  mixer_streaming(s, "convolution", 4.0, 8.0, m.channels, 1), chunked_scan(s, m),
                  mixer_streaming(s, "gated norm", 6.0, 10.0, m.inner, 1)};
    }
    pieces.push_back(linear_piece(s, out, s.tokens, s.hidden, m.inner, false));
    return pieces;
}

}  // namespace orrery
