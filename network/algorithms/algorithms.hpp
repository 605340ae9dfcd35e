// What the files of this folder give to the table in network/collective.cpp.
#pragma once

#include "network/collective_case.hpp"

namespace orrery {

void offer_ring(const CollectiveCase& c, OfferList& list);
void lay_ring(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);
void offer_tree(const CollectiveCase& c, OfferList& list);
void lay_tree(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);
void offer_nvls(const CollectiveCase& c, OfferList& list);
void lay_nvls(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);
void offer_hierarchical(const CollectiveCase& c, OfferList& list);
void offer_pairwise(const CollectiveCase& c, OfferList& list);
void lay_pairwise(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);
void offer_send_recv(const CollectiveCase& c, OfferList& list);
void lay_send_recv(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);

void offer_pat(const CollectiveCase& c, OfferList& list);
void lay_pat(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);
void offer_collnet(const CollectiveCase& c, OfferList& list);
void lay_collnet(const GroupOnFabric& group, const CollectivePrice& price, std::vector<LinkLoad>& loads);

/// Bytes that the ports of one domain carry in each direction per byte of a double binary tree's all-reduce: between
/// two domains each byte crosses once each way; among more, every domain is inner node of one tree and leaf of the
/// other (Sanders, Speck & Traff, Parallel Computing 35(12), 2009).
double tree_port_load(int domains);

}  // namespace orrery
