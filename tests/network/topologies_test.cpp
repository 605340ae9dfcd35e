// Every topology counted and measured against its closed form.
#include "network/fabric.hpp"
#include "network/network_graph.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;

namespace {

Node one_port_host() {
    Node node;
    node.name = "host";
    node.devices = node.scale_up_domain = node.nics = 1;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

Node eight_gpu_node(ScaleUp wiring) {
    Node node;
    node.name = "dgx-test";
    node.devices = node.scale_up_domain = node.nics = 8;
    node.scale_up = wiring;
    node.nic_bandwidth = 50.0_GBps;
    node.nic_kind = "infiniband";
    return node;
}

FabricSpec shaped(const char* topology, int switch_ports = 0) {
    FabricSpec spec;
    spec.topology = topology;
    spec.switch_ports = switch_ports;
    return spec;
}

int count_of(const NetworkFigures& figures, const std::string& kind) {
    for (const SwitchCount& one : figures.kinds) {
        if (one.kind == kind) return one.count;
    }
    return 0;
}

}  // namespace

TEST_CASE("a k-ary fat tree has 5 k^2 / 4 switches and a cable per host and tier", "[network][topology]") {
    // Method: Al-Fares, Loukissas & Vahdat, SIGCOMM 2008: k^3/4 hosts, k^2/2 leaves, k^2/2 spines, k^2/4 cores; diameter
    // six cables, bisection half the hosts.
    for (const int k : {4, 8, 16}) {
        const int hosts = k * k * k / 4;
        const auto figures = network_graph(shaped("fat-tree", k), one_port_host(), hosts, {}).value();
        INFO(k);
        CHECK(figures.switches == 5 * k * k / 4);
        CHECK(count_of(figures, "core") == k * k / 4);
        CHECK(figures.cables == 3 * hosts);
        CHECK(figures.switch_ports == 5 * hosts);
        CHECK(figures.optic_ends == 6 * hosts);
        CHECK(figures.hops_max == 6);
        CHECK(figures.bisection.si() == Approx(hosts / 2 * 50e9).epsilon(1e-6));
    }
}

TEST_CASE("every tier divides the bisection by its own oversubscription", "[network][topology]") {
    // Method: 16-port switches; spines of 3:1 have 4 ports up. Two pods of 12 leaves of 8 hosts: 8 spines x 4 cables
    // leave each.
    FabricSpec spec = shaped("fat-tree", 16);
    spec.spine_oversubscription = 3.0;
    const auto spine = network_graph(spec, one_port_host(), 192, {}).value();
    CHECK(spine.bisection.si() == Approx(32 * 50e9).epsilon(1e-6));
    // Leaves of 3:1 too: 12 hosts and 4 cables up; two pods of 12 leaves, 4 spines a pod of 4 cables up.
    spec.oversubscription = 3.0;
    const auto both = network_graph(spec, one_port_host(), 288, {}).value();
    CHECK(both.bisection.si() == Approx(16 * 50e9).epsilon(1e-6));
}

TEST_CASE("a SuperPOD of four scalable units has 32 leaves and 16 spines", "[network][topology]") {
    // Method: NVIDIA DGX SuperPOD reference architecture (DGX H100) RA-11333-001, table of compute fabric components.
    const auto figures =
        network_graph(shaped("rail-optimized"), eight_gpu_node(ScaleUp::switched), 128, 450.0_GBps).value();
    CHECK(count_of(figures, "leaf") == 32);
    CHECK(count_of(figures, "spine") == 16);
    CHECK(figures.cables == 1024 + 1024);
    CHECK(figures.bisection.si() == Approx(64 * 400e9).epsilon(1e-6));
}

TEST_CASE("rails of a rail-only network meet in the nodes alone", "[network][topology]") {
    // Method: one switch a rail; without spines a third of the switches of the rail-optimized pod pair is saved.
    const auto figures = network_graph(shaped("rail-only"), eight_gpu_node(ScaleUp::switched), 64, 450.0_GBps).value();
    CHECK(figures.switches == 8);
    CHECK(figures.cables == 512);
    CHECK(figures.hops_max == 2);
    CHECK(figures.bisection.si() == Approx(32 * 400e9).epsilon(1e-6));
    const auto optimized =
        network_graph(shaped("rail-optimized"), eight_gpu_node(ScaleUp::switched), 64, 450.0_GBps).value();
    CHECK(optimized.switches == 24);
}

TEST_CASE("planes multiply switches and cables and leave the bisection", "[network][topology]") {
    // Method: 128 hosts on 16-port switches: 16 leaves and 8 spines a plane, a lane of half the rate in each of two.
    const auto figures = network_graph(shaped("multi-plane", 16), one_port_host(), 128, {}).value();
    CHECK(figures.switches == 2 * 24);
    CHECK(figures.cables == 2 * 256);
    CHECK(figures.hops_max == 4);
    CHECK(figures.bisection.si() == Approx(64 * 50e9).epsilon(1e-6));
}

TEST_CASE("a dragonfly+ joins every two groups by equally many cables", "[network][topology]") {
    // Method: Shpiner et al., HiPINEB 2017. 8-port switches: groups of 4 leaves, 4 spines, 16 hosts and 16 global cables;
    // four groups have 16 / 3 = 5 between two, of which half of them to the other half cuts 2 x 2 x 5.
    const auto figures = network_graph(shaped("dragonfly-plus", 8), one_port_host(), 64, {}).value();
    CHECK(figures.switches == 4 * 8);
    CHECK(figures.cables == 64 + 4 * 16 + 6 * 5);
    CHECK(figures.hops_max == 5);
    CHECK(figures.bisection.si() == Approx(20 * 50e9).epsilon(1e-6));
    // Seventeen groups are all that 16 global cables can join, one each.
    const auto full = network_graph(shaped("dragonfly-plus", 8), one_port_host(), 17 * 16, {}).value();
    CHECK(full.cables == 17 * (16 + 16) + 17 * 16 / 2);
    const auto over = build_fabric(shaped("dragonfly-plus", 8), one_port_host(), 18 * 16, {}, nullptr);
    REQUIRE_FALSE(over.ok());
    CHECK(over.problems().front().problem ==
          "288 nodes need 18 groups, and 8-port switches join 17 in \"dragonfly-plus\"");
}

TEST_CASE("a hyperx has a cable a line a pair and two hops a dimension", "[network][topology]") {
    // Method: Ahn et al., SC 2009: 4 x 4 switches have 2 x 4 x 6 cables; half of them to the other half cuts 4 x 2 x 2.
    FabricSpec spec = shaped("hyperx", 32);
    spec.dimensions = {4, 4};
    const auto figures = network_graph(spec, one_port_host(), 64, {}).value();
    CHECK(figures.switches == 16);
    CHECK(figures.cables == 64 + 48);
    CHECK(figures.hops_max == 2 + 2);
    CHECK(figures.bisection.si() == Approx(16 * 50e9).epsilon(1e-6));
    spec.switch_ports = 8;
    const auto full = build_fabric(spec, one_port_host(), 64, {}, nullptr);
    REQUIRE_FALSE(full.ok());
    CHECK(full.problems().front().place == "/cluster/fabric/dimensions");
    CHECK(full.problems().front().problem == "make switches of 10 ports (4 to nodes), and they have 8");
}

TEST_CASE("two sites exchange what their fibres carry", "[network][topology]") {
    // Method: the cut between the halves is the fibre bundle; its latency is 4.9 us a kilometre.
    FabricSpec spec = shaped("two-sites", 16);
    spec.distance_km = 80.0;
    spec.long_haul_bandwidth = 200.0_GBps;
    const auto figures = network_graph(spec, one_port_host(), 64, {}).value();
    CHECK(figures.bisection.si() == Approx(200e9).epsilon(1e-6));
    const NetworkGraph graph = fabric_graph(spec, one_port_host(), 64, {}).value();
    CHECK(graph.cables.back().latency / 1.0_us == Approx(392.0));
    CHECK(build_fabric(spec, one_port_host(), 1, {}, nullptr).problems().front().problem ==
          "is 1, which cannot be at two sites");
}

TEST_CASE("a twist shortens a torus of one doubled dimension", "[network][topology]") {
    // Method: Camara et al., IEEE TPDS 21(12), 2010: a rectangular twisted torus of 2a x a has diameter a, the plain one
    // 3a/2; the chips keep their links.
    Node node = eight_gpu_node(ScaleUp::torus);
    node.devices = 4;
    node.scale_up_domain = 32;
    FabricSpec spec = shaped("torus");
    spec.dimensions = {4, 8};
    const auto plain = network_graph(spec, node, 8, 200.0_GBps).value();
    spec.twisted = true;
    const auto twisted = network_graph(spec, node, 8, 200.0_GBps).value();
    CHECK(plain.hops_max == 6);
    CHECK(twisted.hops_max == 4);
    CHECK(plain.cables == 64);
    CHECK(twisted.cables == 64);
    CHECK(twisted.bisection >= plain.bisection);
    spec.dimensions = {2, 16};
    CHECK(build_fabric(spec, node, 8, 200.0_GBps, nullptr).problems().front().problem ==
          "is true, and no dimension of 2 x 16 is twice all others");
    spec.dimensions = {4, 4};
    CHECK(build_fabric(spec, node, 8, 200.0_GBps, nullptr).problems().front().problem ==
          "4 x 4 are 16 chips, and the pod has 32");
}

TEST_CASE("inside a node the wiring decides distance and cut", "[network][topology]") {
    // Method: NVSwitch: every device's rate; full mesh of eight: 16 of 28 links cross; DGX-1 (NVIDIA DGX-1 white paper):
    // 24 links, two hops, six of them between the quads; PCIe: the link between two sockets.
    const auto inside = [](ScaleUp wiring, BytesPerSecond rate) {
        return network_graph(shaped("single-node"), eight_gpu_node(wiring), 1, rate).value();
    };
    const auto nvswitch = inside(ScaleUp::switched, 450.0_GBps);
    CHECK(nvswitch.hops_max == 2);
    CHECK(nvswitch.bisection.si() == Approx(4 * 450e9));
    const auto mesh = inside(ScaleUp::mesh, 448.0_GBps);
    CHECK(mesh.cables == 28);
    CHECK(mesh.hops_max == 1);
    CHECK(mesh.bisection.si() == Approx(16 * 64e9));
    const auto cube = inside(ScaleUp::cube_mesh, 150.0_GBps);
    CHECK(cube.cables == 24);
    CHECK(cube.hops_max == 2);
    CHECK(cube.bisection.si() == Approx(6 * 25e9));
    const auto pcie = inside(ScaleUp::pcie, 32.0_GBps);
    CHECK(pcie.switches == 4 + 2);
    CHECK(pcie.cables == 8 + 4 + 1);
    CHECK(pcie.hops_max == 5);
    CHECK(pcie.bisection.si() == Approx(32e9));
}

TEST_CASE("an NVL72 rack has 1,296 cables into 18 switches", "[network][topology]") {
    // Method: 72 devices x 18 NVLinks of 50 GB/s, one to each switch (NVIDIA GB200 NVL72: 18 NVLink switch chips, 130
    // TB/s in both directions together).
    Node rack = eight_gpu_node(ScaleUp::switched);
    rack.devices = rack.scale_up_domain = 72;
    rack.scale_up_switches = rack.scale_up_links = 18;
    const auto figures = network_graph(shaped("single-node"), rack, 1, 900.0_GBps).value();
    CHECK(figures.switches == 18);
    CHECK(figures.cables == 1296);
    CHECK(figures.optic_ends == 0);
    CHECK(figures.bisection.si() == Approx(36 * 900e9).epsilon(1e-6));
    CHECK(2.0 * 72 * 900e9 == Approx(129.6e12));
}

TEST_CASE("sizes that no switch or network has are refused", "[network][topology]") {
    // Method: the messages.
    FabricSpec odd = shaped("fat-tree", 7);
    CHECK(build_fabric(odd, one_port_host(), 4, {}, nullptr).problems().front().remedy ==
          "give an even number of 4 or more");
    FabricSpec thin = shaped("fat-tree");
    thin.spine_oversubscription = -1.0;
    CHECK(build_fabric(thin, one_port_host(), 4, {}, nullptr).problems().front().place ==
          "/cluster/fabric/spine_oversubscription");
    CHECK(build_fabric(shaped("custom"), one_port_host(), 4, {}, nullptr).problems().front().problem ==
          "is missing, and the topology is \"custom\"");
    FabricSpec drawn = shaped("custom");
    drawn.custom = std::make_shared<const NetworkGraph>(unwired("node", 3, 1));
    CHECK(build_fabric(drawn, one_port_host(), 4, {}, nullptr).problems().front().problem ==
          "draws 3 nodes, and the cluster has 4");
    Node split = eight_gpu_node(ScaleUp::switched);
    split.scale_up_domain = 4;
    CHECK(build_fabric(shaped("rail-only"), split, 4, 450.0_GBps, nullptr).problems().front().place ==
          "/cluster/fabric/topology");
}
