// What a report says, in words and shares, before it is drawn as text or as a page: both draw the same values.
#pragma once

#include "scenarios/result_json.hpp"

#include <string>
#include <vector>

namespace orrery {

enum class Verdict : unsigned char { neutral, good, bad };

/// A headline: "Step time", "4.91 s", and what helps to read it.
struct ReportFigure {
    std::string label;
    std::string value;
    std::string note;
    Verdict verdict = Verdict::neutral;
};

/// One part of a whole.
struct ReportBar {
    std::string label;
    std::string amount;
    double share = 0.0;     // of the whole
    bool is_useful = true;  // computing, as opposed to waiting or exchanging
};

/// A change that was tried.
struct ReportChange {
    std::string effect;     // "8.2 % faster"
    std::string step_time;
    std::string change;
    std::vector<std::string> settings;   // as options: "--set PATH=VALUE"
    Verdict verdict = Verdict::neutral;
};

struct ReportFact {
    std::string label;
    std::string text;
};

struct ReportView {
    std::string title;
    std::string subtitle;
    std::vector<ReportFigure> figures;
    std::vector<ReportBar> time;
    std::string memory_heading;
    std::vector<ReportBar> memory;
    std::vector<std::string> limits;     // sentences
    std::string changes_heading;
    std::vector<ReportChange> changes;
    std::vector<ReportFact> basis;       // what the numbers rest on
    std::vector<ReportFact> provenance;
    std::string sources_hint;            // where to see the sources of the catalogue's numbers
    std::vector<ReportFact> sources;     // the sources themselves, by catalogue entry
};

ReportView view_of(const TrainingReport& report);

/// "tensor 8, pipeline 16 with 8 virtual stages, data 128, ZeRO 1": the degrees that are not 1.
std::string describe(const Parallelism& parallelism);

/// "none", "full", "3 layers of each stage".
std::string describe_recompute(const TrainingSpec& spec);

}  // namespace orrery
