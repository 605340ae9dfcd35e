// What an exchange of everyone with everyone puts on the links of a routed network, without a look at each pair.
#pragma once

#include "network/collective_case.hpp"

#include <span>
#include <vector>

namespace orrery {

/// Who sends and receives in such an exchange, by end point. A pair's bytes are sends * receives.
struct ExchangeEnds {
    std::vector<double> sends;      // weight of the end point's senders
    std::vector<double> receives;   // and of its receivers
    std::vector<int> domain;        // pairs of one domain do not use the network
    bool by_rail = false;           // what is meant for another rail leaves by the sender's neighbour on it
};

/// Ends of an exchange within `members`, each of which sends `bytes` times a receiver's share (`shares` in the order of
/// `members`; empty: 1 for each) to every other.
ExchangeEnds exchange_ends(const Fabric& fabric, const RoutedNetwork& network, std::span<const RankId> members,
                           std::span<const double> shares);

/// Bytes by link of `network`, every pair divided over all its shortest ways by their rates. One pass over the links for
/// each set of end points with the same neighbours, however many pairs there are. Where flows are hashed or follow one way,
/// this is what each link has to carry in the mean.
std::vector<double> even_exchange_loads(const RoutedNetwork& network, const ExchangeEnds& ends);

/// What the busiest of `links` links is expected to carry where a mean of `bytes` comes as flows of `flow` bytes that are
/// dealt out at random: the mean and sqrt(2 ln(links)) deviations of their Poisson count (extremes of many normal
/// variates: Cramer, Mathematical Methods of Statistics, 1946, 28.6).
double busiest_by_chance(double bytes, double flow, double links);

/// Loads of `group`'s members sending `bytes` to each other over the fabric's network, per byte of progress: the sum of all
/// pairs' ways where there are few of them, the mean and its chance where there are many.
void lay_pairs(const GroupOnFabric& group, double bytes, std::vector<LinkLoad>& loads);

}  // namespace orrery
