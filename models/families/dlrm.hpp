// Recommenders of sharded embedding tables and small MLPs: DLRM and DLRM-DCNv2.
#pragma once

#include "hardware/fields.hpp"
#include "models/layered_model.hpp"

#include <string_view>
#include <vector>

namespace orrery {

/// Naumov et al., arXiv 1906.00091: tables are spread over the data-parallel ranks, pooled rows go to the ranks of their
/// samples by all-to-all, features meet in pairwise products. `cross_layers` > 0: low-rank cross layers instead (DCN v2,
/// Wang et al., arXiv 2008.13535), as in MLPerf Training from v3.0.
struct Dlrm {
    static constexpr std::string_view family = "dlrm";
    static constexpr std::string_view doc = "recommender: sharded embedding tables, MLPs, pairwise or cross interaction";
    std::vector<int> tables{1000};        // rows of each
    std::vector<int> lookups;             // rows of each table that a sample looks up; empty: one
    int width = 128;                      // of an embedding
    int dense = 13;                       // features that are numbers
    std::vector<int> bottom{512, 256, 128};
    std::vector<int> top{1024, 1024, 512, 256, 1};
    int cross_layers = 0;
    int cross_rank = 512;
    bool operator==(const Dlrm&) const = default;

    static constexpr auto fields() {
        using D = Dlrm;
        return std::tuple{
            required_field("tables", &D::tables, {1.0, 2e9, false}, "Rows of each embedding table."),
            field("lookups", &D::lookups, count, "Rows of each table that a sample looks up; absent: one of each."),
            field("width", &D::width, count, "Width of an embedding."),
            field("dense", &D::dense, count, "Features that are numbers."),
            field("bottom", &D::bottom, count, "Outputs of the MLP over the dense features; the last is the width."),
            field("top", &D::top, count, "Outputs of the MLP over the interaction."),
            field("cross_layers", &D::cross_layers, non_negative, "Cross layers; 0: pairwise products."),
            field("cross_rank", &D::cross_rank, count, "Inner width of a cross layer."),
        };
    }
};

LayeredModel describe(const Dlrm& model, const PassShape& shape);

}  // namespace orrery
