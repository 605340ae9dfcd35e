// Tables of measured kernels as others publish them: one CSV per system, library and operator.
#pragma once

#include "hardware/result.hpp"
#include "hardware/work.hpp"

#include <string>
#include <vector>

namespace orrery {

/// What a file name SYSTEM.LIBRARY-VERSION.TABLE.csv says, as in "h100_sxm.trtllm-1.3.0rc10.gemm.csv".
struct TableName {
    std::string file;      // last component of the path
    std::string system;
    std::string library;   // with its version
    std::string table;
    bool operator==(const TableName&) const = default;
};

struct MeasuredProduct {
    std::string format;    // the table's own word: bfloat16, fp8, fp8_block, nvfp4, sq, ...
    MatrixMultiply work;
    Seconds measured;
};

struct MeasuredAttention {
    Attention work;
    Seconds measured;
};

/// A layer of experts: router and exchange excluded, everything from sorted rows to summed results included.
struct MeasuredExperts {
    std::string format;    // the table's own word, and of kernels for few tokens "_min_latency" behind it
    std::string row;       // in words
    double tokens = 1.0;
    double hidden = 1.0;
    double inner = 1.0;
    double per_token = 1.0;        // experts
    double experts = 1.0;
    double tensor = 1.0;           // ranks that share the inner size
    double expert_parallel = 1.0;  // ranks that share the experts
    double power = 0.0;            // of the law that spreads tokens over experts; 0: evenly
    bool gated = true;
    DataType type = DataType::bf16;
    Seconds measured;
};

/// Rows of a "gemm" table land in `products`, of the attention tables in `attention`, of "moe" in `experts`.
struct MeasuredTable {
    TableName name;
    std::vector<MeasuredProduct> products;
    std::vector<MeasuredAttention> attention;
    std::vector<MeasuredExperts> experts;
    std::int64_t rows_unknown = 0;   // number formats that no model here covers, such as weight-only int4
    std::int64_t laws_unknown = 0;   // distributions of tokens over experts without a model
};

/// Splits the file's name; a problem where it is not of that form.
Result<TableName> parse_table_name(const std::string& path);

/// Reads gemm, context_attention, generation_attention, encoder_attention and moe tables; latencies are milliseconds.
/// Problems name file and line: no such file, a column missing, a number that is none, a layer without size.
Result<MeasuredTable> read_measured_table(const std::string& path);

/// The number format of a table's word; false in `known` for words without a model.
struct TableFormat {
    DataType type = DataType::bf16;
    bool known = false;
    bool quantises = false;   // the rows include the kernel that turns 16-bit activations into this format
};
TableFormat table_format(std::string_view word);

}  // namespace orrery
