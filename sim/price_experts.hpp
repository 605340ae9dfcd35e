// What a mixture of experts changes about prices: tokens sent once per place, host waits, grouped products.
#pragma once

#include "models/framework.hpp"
#include "models/training.hpp"
#include "network/collective.hpp"

namespace orrery {

/// Share of a token's `copies` that is sent when each of `places` gets it once, however many of its experts are there:
/// P (1 - (1 - 1/P)^k) / k for experts chosen evenly. 1 for the plain all-to-all's copy per expert is the caller's
/// case.
double copies_sent_share(int copies, int places);

/// The plan's dispatcher; absent: hybrid where a scale-up domain reaches beyond a node of `node_devices`.
TokenDispatcher dispatcher_of(const TrainingSpec& spec, int domain, int node_devices);

/// Share of the routed copies that go out, for an expert group of that shape.
double sent_share(int experts_per_token, const GroupShape& shape);

/// Factor on grouped products.
double grouped_slowdown(const TrainingSpec& spec, const FrameworkProfile& framework);

/// What is left of a layer's host time, by how it is launched.
double host_share(const TrainingSpec& spec, const FrameworkProfile& framework);

/// An expert layer's time, forward and backward of one micro-batch, with what waits for the host; `busy` without it,
/// `host` its launches. Where two micro-batches' layers are interleaved to overlap exchanges and the host launches them
/// kernel by kernel, waits of one hold up the other: floor, wait and launches follow each other.
Seconds with_expert_waits(Seconds busy, Seconds host, const TrainingSpec& spec, const FrameworkProfile& framework,
                          TokenDispatcher dispatcher);

}  // namespace orrery
