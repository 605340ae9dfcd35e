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

/// Rows of a "gemm" table land in `products`, of the attention tables in `attention`.
struct MeasuredTable {
    TableName name;
    std::vector<MeasuredProduct> products;
    std::vector<MeasuredAttention> attention;
    std::int64_t rows_unknown = 0;   // number formats that no model here covers, such as weight-only int4
};

/// Splits the file's name; a problem where it is not of that form.
Result<TableName> parse_table_name(const std::string& path);

/// Reads gemm, context_attention, generation_attention and encoder_attention tables; latencies are milliseconds.
/// Problems name file and line: no such file, a column missing, a number that is none.
Result<MeasuredTable> read_measured_table(const std::string& path);

/// The number format of a table's word; false in `known` for words without a model.
struct TableFormat {
    DataType type = DataType::bf16;
    bool known = false;
    bool quantises = false;   // the rows include the kernel that turns 16-bit activations into this format
};
TableFormat table_format(std::string_view word);

}  // namespace orrery
