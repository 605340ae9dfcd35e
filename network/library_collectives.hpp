// Collectives that inference libraries bring along beside NCCL: all-reduce in one or two shots over peer memory, and the
// exchange of tokens between experts.
#pragma once

#include "hardware/units.hpp"

#include <span>
#include <string_view>

namespace orrery {

/// TensorRT-LLM's own all-reduce of `size` among `ranks` of one domain whose links do `link`: in one shot every rank reads
/// all buffers, in two each reduces its part and the parts are gathered; the faster is taken. Start-up and shares fitted to
/// AIConfigurator's custom_allreduce table of H100 (34 rows, mean error 5 %). Requires two ranks.
Seconds custom_all_reduce_time(int ranks, Bytes size, BytesPerSecond link);

/// Tokens on their way to experts or back, as one rank sees it.
struct ExpertExchange {
    double tokens = 1.0;       // of one rank
    double hidden = 1.0;       // values of a token
    double value_bytes = 2.0;  // of one value on the way
    int top_k = 1;             // experts of a token
    int experts = 8;
    int ranks = 8;             // over which the experts lie
    int sms = 0;               // multiprocessors given to the exchange; 0: the kernel takes what it needs
};

/// One kernel of an exchange on one generation, fitted to AIConfigurator's tables: even rows of each sorted table; errors
/// on the odd ones in `doc`.
struct ExpertKernel {
    std::string_view name;     // "trtllm two-sided dispatch"
    std::string_view doc;
    Seconds start;
    Seconds per_doubling;      // of ranks
    Seconds per_128_experts;
    Seconds per_wide_token;    // once, per 7,168 values of a token
    Seconds per_token;
    double share = 1.0;        // of the link rate; with sms: of all 24 of them
    double sms_half = 0.0;     // over 24: multiprocessors at which half of the limit is reached; 0: does not depend
    double own_pass = 0.0;     // copies beside those sent: a rank packs and unpacks its own
    double crowd = 0.0;        // of 64 / experts: receivers of few experts are not equally busy
    bool distinct_ranks = false;  // a token goes once to each rank, not to each expert
    bool packed_once = false;     // distinct ranks as expected of drawing experts at random
};
std::span<const ExpertKernel> expert_kernels();

/// Null: no kernel of that name.
const ExpertKernel* find_expert_kernel(std::string_view name);

/// Time of the slowest rank; experts drawn evenly. Requires one token and two ranks.
Seconds expert_exchange_time(const ExpertKernel& kernel, const ExpertExchange& exchange, BytesPerSecond link);

}  // namespace orrery
