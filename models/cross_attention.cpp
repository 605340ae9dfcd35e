// A decoder layer's attention to the output of an encoder: queries of its own, keys and values of the encoder's tokens.
// Vaswani et al., "Attention Is All You Need", arXiv 1706.03762, section 3.2.3.
#include "models/layer_tasks.hpp"

namespace orrery {

std::vector<LayerPiece> cross_attention_pieces(const Architecture& a, const LayerShape& s) {
    const LinearNames query{"cross query", "cross query input gradient", "cross query weight gradient",
                            "cross query cast"};
    const LinearNames keys{"cross keys", "cross keys input gradient", "cross keys weight gradient", "cross keys cast"};
    const LinearNames out{"cross projection", "cross projection input gradient", "cross projection weight gradient",
                          "cross projection cast"};
    std::vector<LayerPiece> pieces{norm_piece(s, "cross norm"), enter_tensor(s),
                                   linear_piece(s, query, s.tokens, s.heads * s.head_size, s.hidden, false),
                                   linear_piece(s, keys, s.memory_tokens, 2 * s.kv_heads * s.head_size, s.hidden, false),
                                   attention_core(s, s.memory_sequence, 0, false),
                                   linear_piece(s, out, s.tokens, s.hidden, s.heads * s.value_head_size, false),
                                   leave_tensor(s)};
    if (a.post_norms) pieces.push_back(norm_piece(s, "cross post norm"));
    pieces.push_back(residual_piece(s));
    return pieces;
}

}  // namespace orrery
