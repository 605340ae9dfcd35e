// One published training run, as its table tells it, turned into something that can be predicted.
#pragma once

#include "hardware/result.hpp"
#include "scenarios/json.hpp"
#include "sim/training.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace orrery {

/// Catalogue answers read from their files once, however many rows ask for them.
class CatalogCache {
  public:
    Result<Device> device(const std::string& name);
    Result<Node> node(const std::string& name);
    Result<FrameworkProfile> framework(const std::string& name);
    Result<std::shared_ptr<const CollectiveParameters>> collectives(const Device& device);

  private:
    std::map<std::string, Result<Device>> devices_;
    std::map<std::string, Result<Node>> nodes_;
    std::map<std::string, Result<FrameworkProfile>> frameworks_;
    std::map<std::string, Result<std::shared_ptr<const CollectiveParameters>>> collectives_;
};

/// Rows whose micro-batch is not stated get one variant per candidate: what people run is the fastest.
struct PreparedTraining {
    std::string id;
    std::string source;
    double measured_step_s = 0.0;
    Cluster cluster;
    std::vector<TrainingRun> variants;
    std::string note;
};

class Row;

/// A row's identity and the machine as it describes it; what it leaves out is that of the catalogue node its device
/// usually sits in. Where rows of every kind begin.
Result<PreparedTraining> row_on_machine(const Row& row, CatalogCache& catalog);

/// A prepared row, or the one reason why it cannot be predicted (Problem::problem; it is the key of the skip count).
/// Never reads the row's id or its source to decide anything about the prediction, nor the model's name but to look up
/// which network it is where the row has no architecture (layered_row.hpp).
Result<PreparedTraining> prepare_training(const Json& row, CatalogCache& catalog);

/// A predicted step and the interval in which nine of ten measured ones are expected.
struct PredictedStep {
    double seconds = 0.0;
    ExpectedError expected;
};

/// One step by closed form: the fastest variant that is valid; the first problem where none is.
Result<PredictedStep> predict_training(const PreparedTraining& prepared);

/// Its seconds alone.
Result<double> predict_step(const PreparedTraining& prepared);

/// One JSON Lines table: every row parsed, or every line that is not JSON.
Result<std::vector<Json>> read_json_lines(const std::string& file);

/// All rows of the tables that can be prepared; a problem where a table cannot be read or there is no such row.
Result<std::vector<PreparedTraining>> prepare_trainings(const std::vector<std::string>& tables);

/// True for rows of training tables.
bool is_training_row(const Json& row);

}  // namespace orrery
