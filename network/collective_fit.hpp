// From measured collectives of one scale-up domain to parameters, residuals and honest errors.
#pragma once

#include "hardware/node.hpp"
#include "hardware/result.hpp"
#include "network/collective_parameters.hpp"
#include "network/fabric.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// One measured collective, all ranks in one domain, or as many in each of several.
struct CollectiveSample {
    CollectiveKind kind = CollectiveKind::all_reduce;
    DataType type = DataType::fp16;
    int ranks = 2;
    Bytes size;  // as nccl-tests counts it
    Seconds time;
    int domains = 1;
    bool operator==(const CollectiveSample&) const = default;
};

/// Reads a table `op_name,nccl_dtype,num_gpus,message_size,latency` (any column order; message_size in elements,
/// latency in ms). Every bad line is a problem with its number, at most twenty of them.
Result<std::vector<CollectiveSample>> parse_nccl_table(std::string_view text, const std::string& file);

/// One sample per (kind, ranks, size, type), sorted so: the median of its replicates.
std::vector<CollectiveSample> median_samples(std::span<const CollectiveSample> samples);

/// The domain that the samples were measured in.
struct MeasuredDomain {
    BytesPerSecond scale_up;
    int devices = 8;
    ScaleUp wiring = ScaleUp::switched;
};

/// Price of a sample by `parameters`, residuals included where they have any.
Seconds predicted_time(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                       const CollectiveSample& sample);

/// Prices of many at once.
std::vector<Seconds> predicted_times(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                                     std::span<const CollectiveSample> samples);

/// Residual tables of `parameters` (whose own residuals are not used): per kind, rank count and number of domains a ratio
/// for each power of two between the smallest and the largest size, int8 apart where it was measured beside others. The
/// ratios are the expectation of a Gaussian process over log size, type, kind and ranks given the samples' (Rasmussen &
/// Williams, "Gaussian processes for machine learning", 2006, eq. 2.25), so that noise is not taken for structure and gaps
/// lean on what lies beside them. `alike`: parameters of a generation with residuals, of which three fifths are expected
/// here; null: none.
std::vector<CollectiveResidual> tabulate_residuals(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                                                   std::span<const CollectiveSample> samples,
                                                   const CollectiveParameters* alike = nullptr);
/// The same for samples on any fabric.
std::vector<CollectiveResidual> tabulate_residuals(const Fabric& fabric, std::span<const CollectiveSample> samples,
                                                   const CollectiveParameters* alike = nullptr);

/// `fabric` with other parameters.
Fabric with_parameters(const Fabric& fabric, CollectiveParameters parameters);

/// The domain as a fabric; and a sample's price on a fabric.
Fabric measured_fabric(const CollectiveParameters& parameters, const MeasuredDomain& domain);
Seconds sample_time(const Fabric& fabric, const CollectiveSample& sample);

/// Start, hop and port share of all-reduce between domains for `samples` near those of the fabric's parameters: pattern
/// search as fit_collectives(). Requires samples of several domains.
CollectiveParameters fit_across(const Fabric& fabric, std::span<const CollectiveSample> samples);


/// Mean |predicted / measured - 1|.
double mean_collective_error(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                             std::span<const CollectiveSample> samples);

/// Errors of the physical model on all samples; of physical x residual on the half of the (kind, ranks, size, type)
/// keys that it was not made from, halves drawn by `seed`; and of it and of interpolation alone when each size is
/// predicted from the others.
CollectiveFitQuality judge_fit(const CollectiveParameters& parameters, const MeasuredDomain& domain,
                               std::span<const CollectiveSample> samples, std::uint64_t seed);

/// Physical parameters for `samples` near `prior`: pattern search on the mean of min(|ln(predicted / measured)|, 0.6)
/// plus a pull towards the prior of `pull` per unit of ((ln p - ln prior) / spread)^2, spread by parameter as found
/// across five generations. Deterministic; evaluates at most `rounds` sweeps over the parameters.
CollectiveParameters fit_collectives(const CollectiveParameters& prior, const MeasuredDomain& domain,
                                     std::span<const CollectiveSample> samples, double pull = 0.0005, int rounds = 120);

}  // namespace orrery
