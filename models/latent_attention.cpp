// Projections of latent attention on one rank: queries, keys and values are made of narrow latents, one part of each
// head is rotated. DeepSeek-V2, arXiv 2405.04434, section 2.1; down-projections are held by every tensor rank.
#include "models/layer_tasks.hpp"

namespace orrery {
namespace {

LayerPiece latent_streaming(const LayerShape& s, std::string_view name, double forward_bytes, double backward_bytes,
                            std::int64_t values) {
    const double scale = 0.5 * s.element_bytes * static_cast<double>(s.tokens) * static_cast<double>(values);
    return {{streaming_task(name, forward_bytes * scale, 1)}, {streaming_task(name, backward_bytes * scale, 1)}};
}

LayerPiece latent_up_part(LayerPiece piece) {
    piece.modules.latent_up = true;
    return piece;
}

}  // namespace

std::vector<LayerPiece> latent_projections(const Architecture& a, const LayerShape& s) {
    const LinearNames query_down{"query down", "query down input gradient", "query down weight gradient",
                                 "query down cast"};
    const LinearNames query_up{"query up", "query up input gradient", "query up weight gradient", "query up cast"};
    const LinearNames key_down{"key down", "key down input gradient", "key down weight gradient", "key down cast"};
    const LinearNames key_up{"key up", "key up input gradient", "key up weight gradient", "key up cast"};
    const std::int64_t queries = s.heads * s.head_size;
    const std::int64_t keys_values = s.heads * (a.head_size + s.value_head_size);
    std::vector<LayerPiece> pieces;
    if (a.latent_queries > 0) {
        pieces.push_back(linear_piece(s, query_down, s.norm_tokens(), a.latent_queries, s.hidden, false));
        pieces.push_back(latent_streaming(s, "query latent norm", 4.0, 6.0, a.latent_queries));
        pieces.push_back(latent_up_part(linear_piece(s, query_up, s.tokens, queries, a.latent_queries, false)));
    } else {
        pieces.push_back(latent_up_part(linear_piece(s, query_up, s.tokens, queries, s.hidden, false)));
    }
    pieces.push_back(
        linear_piece(s, key_down, s.norm_tokens(), a.latent_keys + std::int64_t{a.rotary_head_size}, s.hidden, false));
    pieces.push_back(latent_streaming(s, "key latent norm", 4.0, 6.0, a.latent_keys));
    pieces.push_back(latent_up_part(linear_piece(s, key_up, s.tokens, keys_values, a.latent_keys, false)));
    // Rotation of one part of each head, and the copy that puts both parts side by side for the core.
    pieces.push_back(latent_up_part(latent_streaming(s, "rotary and join", 4.0, 4.0, 2 * queries)));
    return pieces;
}

}  // namespace orrery
