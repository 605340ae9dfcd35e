// A collective written once as messages between the members of its group: who sends how much to whom, and after what.
#pragma once

#include "network/collective.hpp"
#include "network/flow_set.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// What an algorithm needs to know to write its messages. Members are numbered in the order of the group.
struct ExchangeCase {
    CollectiveKind kind = CollectiveKind::all_reduce;
    double bytes = 0.0;                      // as nccl-tests counts them
    int ranks = 1;
    int root = 0;                            // of broadcast and reduce
    int channels = 1;                        // rings or trees side by side, each with its part of the bytes
    std::vector<std::vector<int>> domains;   // members of each scale-up domain, in order of the group
    std::vector<int> torus;                  // dimensions, if the group is a whole torus; else empty
    std::vector<double> shares;              // of all-to-all: part of each rank's bytes for each receiver; empty: equal
    bool whole_rounds = false;               // true: rounds of a ring stay messages; false: one flow for its whole length
};

/// One message, or the equal messages of all rounds of a ring. Ends below `ranks` are members; ranks + d is the switch of
/// domain d, ranks + domains that of the network, where switches add up or copy.
struct ExchangeStream {
    int from = 0;
    int to = 0;
    double bytes = 0.0;      // of one round
    int rounds = 1;
    int phase = 0;           // starts when what its sender got in the phases before is there
    int lead_steps = 0;      // further steps inside a domain before its first byte goes: depth of a pipeline
    int lead_hops = 0;       // the same over the network
    int previous = -1;       // of a ring: round r waits for round r - 1 of this stream
};

struct Exchange {
    std::vector<ExchangeStream> streams;
    int phases = 0;
    int ends = 0;            // members and switches
    ExchangeStream& send(int from, int to, double bytes, int phase);
};

/// What a schedule asks of steps and ports: its closed form, to hold it to textbooks and to price it on idle links.
struct ExchangeFigures {
    std::vector<double> sent, received;  // bytes by end
    int steps = 0;                       // messages after each other on the longest chain inside domains
    int hops = 0;                        // and over the network
};
ExchangeFigures exchange_figures(const ExchangeCase& c, const Exchange& exchange);

/// Needs of each stream on others, by phases: a sender's last sends and all that it got since.
void add_phase_needs(const Exchange& exchange, FlowSet& flows);

/// Domain of every member.
std::vector<int> domain_of_members(const ExchangeCase& c);

/// Members as ring or chain `channel` visits them: domain by domain, each entered at another place, so that channels
/// leave through different ports.
std::vector<int> channel_order(const ExchangeCase& c, int channel);

/// Adds a ring over `order` in one phase: `rounds` rounds of `bytes` (one flow each if rounds are not kept whole).
void add_ring(const ExchangeCase& c, std::span<const int> order, double bytes, int rounds, int phase, Exchange& exchange);

/// The messages of `c` by the algorithm of that name. Problem: no such algorithm, or it does not apply to the collective
/// or the group, with those that do.
Result<Exchange> make_exchange(const ExchangeCase& c, std::string_view algorithm);

/// Algorithms that can be played for the collective and group of `c`.
std::vector<std::string_view> playable_algorithms(const ExchangeCase& c);

// What the files of network/algorithms give to the table in network/collective.cpp; false: does not apply.
bool schedule_ring(const ExchangeCase& c, Exchange& exchange);
bool schedule_tree(const ExchangeCase& c, Exchange& exchange);
bool schedule_nvls(const ExchangeCase& c, Exchange& exchange);
bool schedule_hierarchical(const ExchangeCase& c, Exchange& exchange);
bool schedule_pairwise(const ExchangeCase& c, Exchange& exchange);
bool schedule_send_recv(const ExchangeCase& c, Exchange& exchange);
bool schedule_doubling(const ExchangeCase& c, Exchange& exchange);
bool schedule_bruck(const ExchangeCase& c, Exchange& exchange);
bool schedule_pat(const ExchangeCase& c, Exchange& exchange);
bool schedule_collnet(const ExchangeCase& c, Exchange& exchange);
bool schedule_two_level(const ExchangeCase& c, Exchange& exchange);
bool schedule_pxn_exchange(const ExchangeCase& c, Exchange& exchange);
bool schedule_torus_rings(const ExchangeCase& c, Exchange& exchange);

/// A double binary tree over the domains, for an algorithm that meets each domain at one of its members: adds the edges
/// up and down for each channel, `inside_depth` steps after the start. All-reduce only.
void add_domain_trees(const ExchangeCase& c, int inside_depth, Exchange& exchange);

}  // namespace orrery
