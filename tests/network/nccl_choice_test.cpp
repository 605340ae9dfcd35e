// NCCL's tuning table held to its published constants, and the choices that follow from it.
#include "network/collective_parameters.hpp"
#include "network/fabric.hpp"
#include "network/nccl_choice.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <memory>

using namespace orrery;

namespace {

NcclGroup group_of(NcclGeneration generation, int ranks, int nodes, double bus) { return {generation, ranks, nodes, bus, false, false}; }

double us(const NcclGroup& group, CollectiveKind kind, double bytes, NcclAlgorithm algorithm, NcclProtocol protocol) {
    return 1e6 * nccl_time(group, kind, bytes, algorithm, protocol);
}

Fabric fabric_of_single_gpu_nodes(int nodes, bool sums, int devices = 1) {
    Node node;
    node.name = "node";
    node.devices = node.scale_up_domain = devices;
    node.nics = devices;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    FabricSpec spec;
    spec.in_network_reduction = sums;
    return build_fabric(spec, node, nodes, 450.0_GBps, std::make_shared<const CollectiveParameters>()).value();
}

}  // namespace

TEST_CASE("empty messages take the table's latencies", "[network][nccl]") {
    // Method: NCCL 2.30.7 src/graph/tuning.cc:149-176 added up by hand for each algorithm.
    const NcclGroup node = group_of(NcclGeneration::hopper, 8, 1, 370e9);
    const auto all_reduce = CollectiveKind::all_reduce;
    CHECK(us(node, all_reduce, 0, NcclAlgorithm::ring, NcclProtocol::ll) == Approx(6.6 + 14 * 0.6));
    CHECK(us(node, all_reduce, 0, NcclAlgorithm::ring, NcclProtocol::ll128) == Approx(14.0 + 14 * 1.9));
    CHECK(us(node, CollectiveKind::all_gather, 0, NcclAlgorithm::ring, NcclProtocol::simple) == Approx(8.4 + 7 * 3.4));
    const NcclGroup four = group_of(NcclGeneration::hopper, 32, 4, 370e9);
    CHECK(us(four, all_reduce, 0, NcclAlgorithm::ring, NcclProtocol::ll) == Approx(6.6 + (62 - 6) * 1.0 + 6 * 2.7));
    CHECK(us(four, all_reduce, 0, NcclAlgorithm::tree, NcclProtocol::ll) == Approx(6.8 + 2 * (7 * 0.6 + 2 * 5.0)));
    CHECK(us(four, all_reduce, 0, NcclAlgorithm::tree, NcclProtocol::simple) == Approx(8.4 + 2 * (7 * 4.0 + 2 * 14.0)));
    NcclGroup sums = four;
    sums.sums_in_switch = sums.sums_in_network = true;
    CHECK(us(sums, all_reduce, 0, NcclAlgorithm::nvls_tree, NcclProtocol::simple) == Approx(25 + 2 * 2 * 20.9));
    CHECK(us(sums, all_reduce, 0, NcclAlgorithm::nvls, NcclProtocol::simple) == Approx(25 + 18));
    CHECK(us(sums, all_reduce, 0, NcclAlgorithm::collnet_direct, NcclProtocol::simple) == Approx(2 * (3.7 + 7 * 0.4) + 31));
    CHECK(us(sums, all_reduce, 0, NcclAlgorithm::collnet_chain, NcclProtocol::simple) == Approx(2 * 7 * 2.8 + 30));
    const NcclGroup single = group_of(NcclGeneration::hopper, 64, 64, 50e9);
    CHECK(us(single, CollectiveKind::all_gather, 0, NcclAlgorithm::pat, NcclProtocol::simple) == Approx(8 + 6 * 14 / 3.5 + 64 * 2.8));
}

TEST_CASE("large messages take the table's rates", "[network][nccl]") {
    // Method: tuning.cc:177-211 and 289-450 by hand, latencies drowned by 1 PB: LL capped by generation or half of the bus, trees
    // at half, PAT at three quarters of the bus.
    const double bytes = 1e15;
    const auto rate = [&](const NcclGroup& group, CollectiveKind kind, NcclAlgorithm algorithm, NcclProtocol protocol) {
        return bytes / nccl_time(group, kind, bytes, algorithm, protocol) / 1e9;
    };
    const NcclGroup node = group_of(NcclGeneration::ampere, 8, 1, 240e9);
    CHECK(rate(node, CollectiveKind::all_reduce, NcclAlgorithm::ring, NcclProtocol::simple) == Approx(240.0 * 8 / 14).epsilon(1e-4));
    CHECK(rate(node, CollectiveKind::all_reduce, NcclAlgorithm::ring, NcclProtocol::ll) == Approx(87.7 * 8 / 14).epsilon(1e-4));
    CHECK(rate(node, CollectiveKind::all_gather, NcclAlgorithm::ring, NcclProtocol::ll128) == Approx(0.92 * 240 * 8 / 7).epsilon(1e-4));
    const NcclGroup four = group_of(NcclGeneration::ampere, 32, 4, 200e9);
    CHECK(rate(four, CollectiveKind::all_reduce, NcclAlgorithm::tree, NcclProtocol::simple) == Approx(0.5 * 0.92 * 200).epsilon(1e-4));
    const NcclGroup single = group_of(NcclGeneration::hopper, 64, 64, 50e9);
    CHECK(rate(single, CollectiveKind::reduce_scatter, NcclAlgorithm::pat, NcclProtocol::simple) == Approx(0.75 * 50).epsilon(1e-4));
}

TEST_CASE("what a group cannot do has no time", "[network][nccl]") {
    // Method: tuning.cc:496-540: PAT needs one GPU a node, NVLSTree several nodes, CollNet a network that adds up.
    const auto never = [](const NcclGroup& group, CollectiveKind kind, NcclAlgorithm algorithm) {
        return std::isinf(nccl_time(group, kind, 1e6, algorithm, NcclProtocol::simple));
    };
    const NcclGroup four = group_of(NcclGeneration::hopper, 32, 4, 370e9);
    CHECK(never(four, CollectiveKind::all_gather, NcclAlgorithm::pat));
    CHECK(never(four, CollectiveKind::all_reduce, NcclAlgorithm::collnet_direct));
    CHECK(never(four, CollectiveKind::all_reduce, NcclAlgorithm::collnet_chain));
    CHECK(never(four, CollectiveKind::all_reduce, NcclAlgorithm::nvls_tree));
    CHECK(never(group_of(NcclGeneration::hopper, 64, 64, 50e9), CollectiveKind::all_reduce, NcclAlgorithm::pat));
    CHECK(never(four, CollectiveKind::all_gather, NcclAlgorithm::tree));
}

TEST_CASE("the table chooses trees for short and rings for long all-reduces, and what else the fabric offers", "[network][nccl]") {
    // Method: log2 against linear depth; at 16 nodes 62 inner and 30 outer hops against 8.
    NcclGroup group = group_of(NcclGeneration::hopper, 128, 16, 370e9);
    CHECK(nccl_choice(group, CollectiveKind::all_reduce, 65536) == NcclAlgorithm::tree);
    CHECK(nccl_choice(group, CollectiveKind::all_reduce, 1e11) == NcclAlgorithm::ring);
    group.sums_in_switch = true;
    CHECK(nccl_choice(group_of(NcclGeneration::hopper, 8, 1, 370e9), CollectiveKind::all_reduce, 1e9) == NcclAlgorithm::ring);
    CHECK(nccl_choice({NcclGeneration::hopper, 8, 1, 370e9, true, false}, CollectiveKind::all_reduce, 1e9) == NcclAlgorithm::nvls);
    group.sums_in_switch = false;
    group.sums_in_network = true;
    const NcclAlgorithm summed = nccl_choice(group, CollectiveKind::all_reduce, 4e6);
    CHECK((summed == NcclAlgorithm::collnet_direct || summed == NcclAlgorithm::collnet_chain));
}

TEST_CASE("auto takes PAT among nodes of one device and CollNet where the network adds up", "[network][nccl]") {
    // Method: 256 nodes of one device: a ring's 255 Simple steps against 8 us + 8 levels + 256 * 2.8 us at three quarters of the rate,
    // which lose once the bytes outweigh the steps.
    const Fabric single = fabric_of_single_gpu_nodes(256, false);
    const GroupShape all{256, 1, 256, 1};
    const auto gather = [&](double bytes) { return chosen_algorithm(single, {CollectiveKind::all_gather, Bytes::from_si(bytes), DataType::bf16}, all); };
    CHECK(gather(16e6) == "pat");
    CHECK(gather(64e9) == "ring");
    CHECK(chosen_algorithm(single, {CollectiveKind::reduce_scatter, 16.0_MB, DataType::bf16}, all) == "pat");
    const Collective sum{CollectiveKind::all_reduce, 4.0_MB, DataType::bf16};
    CHECK(chosen_algorithm(fabric_of_single_gpu_nodes(16, true, 8), sum, {128, 8, 16, 1}) == "collnet");
    CHECK(chosen_algorithm(fabric_of_single_gpu_nodes(16, false, 8), sum, {128, 8, 16, 1}) != "collnet");
}

TEST_CASE("PAT and CollNet laid on links take the time of their closed form", "[network][nccl]") {
    // Method: transfers on an idle, flat fabric against the price of the shape.
    for (const bool sums : {false, true}) {
        const int devices = sums ? 8 : 1;
        const Fabric fabric = fabric_of_single_gpu_nodes(sums ? 16 : 256, sums, devices);
        const CollectiveKind kind = sums ? CollectiveKind::all_reduce : CollectiveKind::all_gather;
        const Collective collective{kind, 8.0_MB, DataType::bf16};
        std::vector<RankId> members;
        for (RankId rank = 0; rank < fabric.devices; ++rank) members.push_back(rank);
        const Transfer transfer = plan_transfer(fabric, collective, members);
        CHECK(transfer.algorithm == (sums ? "collnet" : "pat"));
        const Seconds priced = collective_time(fabric, collective, {fabric.devices, devices, fabric.devices / devices, 1});
        CHECK(idle_time(fabric, transfer) / priced == Approx(1.0));
    }
}
