// Prices of collectives held to textbook closed forms; transfers held to the prices.
#include "network/collective_case.hpp"
#include "network/collective_parameters.hpp"
#include "network/fabric.hpp"
#include "network/link_rates.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace orrery;

namespace {

Node eight_devices() {
    Node node;
    node.name = "test node";
    node.devices = node.scale_up_domain = node.nics = 8;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

/// A generation without latency, overhead or low-latency protocols: what textbooks assume.
CollectiveParameters textbook() {
    CollectiveParameters p;
    p.name = "textbook";
    p.base = p.ll_step = p.ll128_start = p.ll128_step = p.simple_start = p.simple_step = p.simple_fill = Seconds{};
    p.ll_efficiency = p.ll128_efficiency = p.nvls_efficiency = p.exchange_ll_efficiency = 0.0;
    p.simple_efficiency = p.exchange_efficiency = p.message_efficiency = 1.0;
    p.gather_port_share = port_payload_share;
    p.local_pass = p.exchange_local_pass = 0.0;
    p.int8_slowdown = 1.0;
    p.exchange_base = p.exchange_step = p.exchange_simple_start = p.exchange_fill = p.message_latency = Seconds{};
    return p;
}

Fabric fabric_of(int nodes, const CollectiveParameters& parameters, FabricSpec spec = {}, Node node = eight_devices()) {
    const auto shared = std::make_shared<const CollectiveParameters>(parameters);
    return build_fabric(spec, node, nodes, 450.0_GBps, shared).value();
}

std::vector<RankId> every(int step, int count, int first = 0) {
    std::vector<RankId> ranks;
    for (int i = 0; i < count; ++i) ranks.push_back(first + i * step);
    return ranks;
}

Collective request(CollectiveKind kind, Bytes size, DataType type = DataType::bf16) { return {kind, size, type}; }

constexpr CollectiveKind moving_kinds[] = {CollectiveKind::all_reduce,     CollectiveKind::all_gather,
                                           CollectiveKind::reduce_scatter, CollectiveKind::all_to_all,
                                           CollectiveKind::broadcast,      CollectiveKind::reduce};

}  // namespace

TEST_CASE("inside one domain a ring takes (n-1)/n of the bytes over the link rate a pass", "[network][collective]") {
    // Method: no latency; Patarasuk & Yuan 2009: 2(n-1)/n B/R for all-reduce, half for gather, scatter and exchange.
    const Fabric fabric = fabric_of(1, textbook());
    for (const int n : {2, 3, 4, 7, 8}) {
        const GroupShape shape{n, n, 1, 1};
        const double pass = (n - 1.0) / n * (1.0_GiB / fabric.scale_up).si();
        CHECK(collective_time(fabric, request(CollectiveKind::all_reduce, 1.0_GiB), shape).si() == Approx(2.0 * pass));
        CHECK(collective_time(fabric, request(CollectiveKind::all_gather, 1.0_GiB), shape).si() == Approx(pass));
        CHECK(collective_time(fabric, request(CollectiveKind::reduce_scatter, 1.0_GiB), shape).si() == Approx(pass));
        CHECK(collective_time(fabric, request(CollectiveKind::all_to_all, 1.0_GiB), shape).si() == Approx(pass));
        CHECK(collective_time(fabric, request(CollectiveKind::broadcast, 1.0_GiB), shape).si() ==
              Approx((1.0_GiB / fabric.scale_up).si()));
    }
}

TEST_CASE("a ring's latency is its steps times the step", "[network][collective]") {
    // Method: alpha-beta model with alpha alone: one byte, 2(n-1) steps of 3 us after a start of 5 us.
    CollectiveParameters p = textbook();
    p.base = 5.0_us;
    p.simple_step = 3.0_us;
    const Fabric fabric = fabric_of(1, p);
    const Seconds t = collective_time(fabric, request(CollectiveKind::all_reduce, 1.0_B), {8, 8, 1, 1});
    CHECK(t / 1.0_us == Approx(5.0 + 14 * 3.0).epsilon(1e-4));
}

TEST_CASE("between nodes the ports bound large collectives", "[network][collective]") {
    // Method: closed forms on one rank per node, whose port carries 0.93 of 50 GB/s: ring 2(n-1)/n B/W, gather half of
    // it; exchange (n-1)/n B/W; message B/W. Sizes so large that latency is below a thousandth.
    const Fabric fabric = fabric_of(16, textbook());
    const double port = port_payload_share * 50e9;
    const GroupShape shape{16, 1, 16, 1};
    const Bytes size = 64.0_GiB;
    const double pass = 15.0 / 16.0 * size.si() / port;
    CHECK(collective_time(fabric, request(CollectiveKind::all_reduce, size), shape).si() ==
          Approx(2 * pass).epsilon(1e-3));
    CHECK(collective_time(fabric, request(CollectiveKind::all_gather, size), shape).si() == Approx(pass).epsilon(1e-3));
    CHECK(collective_time(fabric, request(CollectiveKind::all_to_all, size), shape).si() == Approx(pass).epsilon(1e-3));
    CHECK(collective_time(fabric, request(CollectiveKind::send_recv, size), {2, 1, 2, 1}).si() ==
          Approx(size.si() / port).epsilon(1e-3));
}

TEST_CASE("four ranks of a node drive four ports", "[network][collective]") {
    // Method: a gather of the same bytes over the same nodes is four times as fast with four ranks a node as with one,
    // up to (n-1)/n.
    const Fabric fabric = fabric_of(16, textbook());
    const Collective gather = request(CollectiveKind::all_gather, 64.0_GiB);
    const Seconds one = collective_time(fabric, gather, {16, 1, 16, 1});
    const Seconds four = collective_time(fabric, gather, {64, 4, 16, 1});
    CHECK(one / four == Approx(4.0 * (15.0 / 16.0) / (63.0 / 64.0)).epsilon(2e-3));
}

TEST_CASE("small all-reduces between many nodes go by tree, large ones by ring", "[network][collective]") {
    // Method: log2(N) against 2(N-1) hops of latency; bandwidth 2(n-1)/n against 2.
    const Fabric fabric = fabric_of(64, CollectiveParameters{});
    const auto group = every(8, 64);
    CHECK(plan_transfer(fabric, request(CollectiveKind::all_reduce, 4.0_KiB), group).algorithm == "tree");
    CHECK(plan_transfer(fabric, request(CollectiveKind::all_reduce, 64.0_GiB), group).algorithm == "ring");
    // Reduce, then broadcast: 2 log2(64) = 12 hops of 5 us (InfiniBand, low latency) after 6.3 us.
    const Seconds t = collective_time(fabric, request(CollectiveKind::all_reduce, 8.0_B), {64, 1, 64, 1});
    CHECK(t / 1.0_us == Approx(6.3 + 12 * 5.0).epsilon(0.01));
}

TEST_CASE("a transfer on idle links takes the price of its group's shape", "[network][collective]") {
    // Method: two ways to one number, for every kind on regular groups of several layouts; they share no link
    // arithmetic.
    CollectiveParameters p;
    p.nvls_efficiency = 0.58;
    p.residuals = {{CollectiveKind::all_reduce, 8, 10, {1.3, 0.8, 1.1}}};
    for (const char* topology : {"rail-optimized", "fat-tree"}) {
        FabricSpec spec;
        spec.topology = topology;
        const Fabric fabric = fabric_of(64, p, spec);
        const std::vector<std::vector<RankId>> groups{every(1, 8),      every(1, 4),   every(2, 4),
                                                      every(8, 64),     every(1, 64),  every(4, 32),
                                                      every(16, 16, 3), every(1, 512), every(8, 2)};
        for (const auto& group : groups) {
            for (const CollectiveKind kind : moving_kinds) {
                for (const Bytes size : {8.0_B, 2.0_KiB, 3.0_MB, 1.0_GiB}) {
                    const Collective collective = request(kind, size);
                    const Seconds planned = idle_time(fabric, plan_transfer(fabric, collective, group));
                    const Seconds priced = collective_time(fabric, collective, shape_of(fabric, group));
                    INFO(topology << " " << name_of(kind) << " " << group.size() << " ranks, " << size.si()
                                  << " bytes");
                    CHECK(planned.si() == Approx(priced.si()).epsilon(1e-9));
                }
            }
        }
    }
}

TEST_CASE("loads of a transfer are ascending, without repetition, on links of its members", "[network][collective]") {
    // Method: the contract of Transfer, on a group given out of order.
    const Fabric fabric = fabric_of(4, CollectiveParameters{});
    const std::vector<RankId> group{24, 0, 16, 8};
    const Transfer transfer = plan_transfer(fabric, request(CollectiveKind::all_gather, 1.0_MiB), group);
    REQUIRE(transfer.loads.size() == 8);
    for (std::size_t i = 1; i < transfer.loads.size(); ++i) CHECK(transfer.loads[i - 1].link < transfer.loads[i].link);
    CHECK(transfer.loads.front().link == fabric.nic_tx[0]);
    CHECK(transfer.loads.back().link == fabric.nic_rx[24]);
}

TEST_CASE("an all-to-all puts on the links what its ranks send", "[network][collective]") {
    // Method: conservation. Each of n ranks sends B/n to each other; bytes out over all ports equal pairs beyond a
    // node, bytes out over scale-up equal pairs within one.
    const Fabric fabric = fabric_of(4, textbook());
    const auto group = every(2, 16);  // four ranks on each of four nodes
    const Transfer t = plan_transfer(fabric, request(CollectiveKind::all_to_all, 16.0_MB), group);
    double ports = 0.0;
    double scale_up = 0.0;
    for (const LinkLoad& load : t.loads) {
        const double bytes = load.bytes_per_byte * t.size.si();
        if (load.link >= fabric.nic_tx.front() && load.link <= fabric.nic_tx.back()) ports += bytes;
        if (load.link >= fabric.scale_up_tx.front() && load.link <= fabric.scale_up_tx.back()) scale_up += bytes;
    }
    CHECK(ports == Approx(16 * 12 * 1e6));
    CHECK(scale_up == Approx(16 * 3 * 1e6));
}

TEST_CASE("an oversubscribed trunk holds back an exchange beyond its leaf", "[network][collective]") {
    // Method: 128 nodes of one port, 51 (= floor(64 * 4/5)) a leaf at 4:1: the two halves of a pair of leaves exchange
    // over trunks a quarter as fast as the ports below; priced from the shape and from the links alike.
    Node node = eight_devices();
    node.devices = node.scale_up_domain = node.nics = 1;
    FabricSpec spec;
    spec.topology = "fat-tree";
    spec.oversubscription = 4.0;
    const Fabric fabric = fabric_of(102, textbook(), spec, node);
    REQUIRE(fabric.leaf_up.size() == 2);
    const auto group = every(1, 102);
    const Collective exchange = request(CollectiveKind::all_to_all, 10.0_GB);
    const Transfer t = plan_transfer(fabric, exchange, group);
    const double trunk = 51 * port_payload_share * 50e9 / 4.0;
    CHECK(idle_time(fabric, t).si() == Approx(51 * 10e9 * (51.0 / 102.0) / trunk).epsilon(1e-3));
    CHECK(collective_time(fabric, exchange, shape_of(fabric, group)).si() == Approx(idle_time(fabric, t).si()));
    // A ring crosses each trunk once each way and does not feel it.
    const Collective gather = request(CollectiveKind::all_gather, 10.0_GB);
    const Transfer ring = plan_transfer(fabric, gather, group);
    CHECK(idle_time(fabric, ring).si() == Approx(collective_time(fabric, gather, shape_of(fabric, group)).si()));
    CHECK(ring.loads.back().link == fabric.leaf_down[1]);
}

TEST_CASE("more groups than a node has ports for share them", "[network][collective]") {
    // Method: 16 groups over 8 ports get half a port each.
    const Fabric fabric = fabric_of(16, textbook());
    const Collective gather = request(CollectiveKind::all_gather, 64.0_GiB);
    const Seconds alone = collective_time(fabric, gather, {16, 1, 16, 1});
    CHECK(collective_time(fabric, gather, {16, 1, 16, 8}) == alone);
    CHECK(collective_time(fabric, gather, {16, 1, 16, 16}) / alone == Approx(2.0).epsilon(1e-3));
}

TEST_CASE("nothing to exchange takes no time; a barrier takes a latency", "[network][collective]") {
    // Method: the contract of plan_transfer.
    const Fabric fabric = fabric_of(2, CollectiveParameters{});
    const Transfer alone = plan_transfer(fabric, request(CollectiveKind::all_reduce, 1.0_GiB), every(1, 1));
    CHECK(alone.loads.empty());
    CHECK(idle_time(fabric, alone) == Seconds{});
    CHECK(idle_time(fabric, plan_transfer(fabric, request(CollectiveKind::all_gather, Bytes{}), every(1, 8))) ==
          Seconds{});
    const Transfer barrier = plan_transfer(fabric, request(CollectiveKind::barrier, Bytes{}), every(1, 16));
    CHECK(barrier.loads.empty());
    CHECK(barrier.size == Bytes{});
    CHECK(barrier.latency ==
          collective_time(fabric, request(CollectiveKind::all_reduce, 8.0_B), shape_of(fabric, every(1, 16))));
}

TEST_CASE("in-switch reduction is for whole domains and floating types", "[network][collective]") {
    // Method: the rule that NCCL tables show: eight ranks of Hopper in bf16 use it, four ranks or int8 the ring.
    CollectiveParameters p;
    p.nvls_efficiency = 0.583;
    const Fabric fabric = fabric_of(1, p);
    const auto algorithm = [&](int ranks, DataType type) {
        return plan_transfer(fabric, request(CollectiveKind::all_reduce, 256.0_MiB, type), every(1, ranks)).algorithm;
    };
    CHECK(algorithm(8, DataType::bf16) == "nvls");
    CHECK(algorithm(4, DataType::bf16) == "ring");
    CHECK(algorithm(8, DataType::int8) == "ring");
}

TEST_CASE("wiring bounds a group that does not fill its domain", "[network][collective]") {
    // Method: link counts. A mesh of 8 gives 2 ranks one of 7 links; a 4 x 4 torus gives 4 consecutive ranks one of two
    // dimensions; PCIe halves the ranks' reach squared; a cube mesh gives 2 ranks one of six links, measured at 0.9 of its rate.
    Node node = eight_devices();
    const auto time_on = [&](ScaleUp wiring, int domain, int ranks) {
        Node n = node;
        n.scale_up = wiring;
        n.devices = n.scale_up_domain = domain;
        FabricSpec spec;
        spec.topology = "single-node";
        const auto p = std::make_shared<const CollectiveParameters>(textbook());
        const Fabric fabric = build_fabric(spec, n, 1, 56.0_GBps, p).value();
        return collective_time(fabric, request(CollectiveKind::all_gather, 1.0_GiB), {ranks, ranks, 1, 1});
    };
    CHECK(time_on(ScaleUp::mesh, 8, 2) / time_on(ScaleUp::switched, 8, 2) == Approx(7.0));
    CHECK(time_on(ScaleUp::mesh, 8, 8) == time_on(ScaleUp::switched, 8, 8));
    CHECK(time_on(ScaleUp::torus, 16, 4) / time_on(ScaleUp::switched, 16, 4) == Approx(2.0));
    CHECK(time_on(ScaleUp::torus, 16, 16) / time_on(ScaleUp::switched, 16, 16) == Approx(1.0));
    CHECK(time_on(ScaleUp::pcie, 8, 4) / time_on(ScaleUp::switched, 8, 4) == Approx(4.0));
    CHECK(time_on(ScaleUp::cube_mesh, 8, 2) / time_on(ScaleUp::switched, 8, 2) == Approx(6.0 / 0.9));
}

TEST_CASE("residuals are interpolated between sizes and rank counts and held at the ends", "[network][collective]") {
    // Method: by hand; the geometric mean half-way between two points in log size and log ranks.
    CollectiveParameters p;
    p.residuals = {{CollectiveKind::all_gather, 2, 10, {1.0, 4.0}}, {CollectiveKind::all_gather, 8, 10, {9.0, 9.0}}};
    const auto at = [&](int ranks, double bytes) {
        return measured_over_physical(p, {CollectiveKind::all_gather, Bytes::from_si(bytes), DataType::fp16}, {ranks, ranks, 1, 1});
    };
    CHECK(at(2, 1024) == Approx(1.0));
    CHECK(at(2, 1024 * std::sqrt(2.0)) == Approx(2.0));
    CHECK(at(2, 1e12) == Approx(4.0));
    CHECK(at(2, 1) == Approx(1.0));
    CHECK(at(4, 1e12) == Approx(6.0));
    CHECK(at(64, 2048) == Approx(9.0));
    CHECK(measured_over_physical(p, {CollectiveKind::broadcast, 1.0_MiB, DataType::fp16}, {8, 8, 1, 1}) == 1.0);
}

TEST_CASE("a shape counts ranks, domains and the fullest domain, whatever the order", "[network][collective]") {
    // Method: by hand.
    const Fabric fabric = fabric_of(4, CollectiveParameters{});
    const std::vector<RankId> group{30, 1, 2, 8, 0};
    CHECK(shape_of(fabric, group) == GroupShape{5, 3, 3, 1});
}

TEST_CASE("the basis of a price says where it comes from", "[network][collective]") {
    // Method: the sentences of the contract.
    CollectiveParameters p;
    p.name = "h100-sxm";
    p.source = "nccl 2.27.3";
    const Fabric bare = fabric_of(2, p);
    const Collective c = request(CollectiveKind::all_reduce, 1.0_MiB);
    CHECK(collective_basis(bare, c, {8, 8, 1, 1}) == "physical model of h100-sxm: nccl 2.27.3");
    CHECK(collective_basis(bare, c, {16, 8, 2, 1}) ==
          "port rates and published hop latencies, inside each domain as h100-sxm");
    CHECK(collective_basis(bare, c, {1, 1, 1, 1}) == "nothing to exchange");
    p.residuals = {{CollectiveKind::all_reduce, 8, 10, {1.0}}};
    CHECK(collective_basis(fabric_of(2, p), c, {8, 8, 1, 1}) == "measured on h100-sxm: nccl 2.27.3");
}
