#include "account/stored.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include <unistd.h>

#include "account/tables.h"
#include "config/document.h"
#include "config/settings.h"
#include "db/test_postgres.h"

namespace turnpike::account::stored_test {
namespace {

using config::Loaded;
using config::LoadOptions;

constexpr std::string_view kFile =
    "model_list:\n"
    "  - {model_name: of-file, litellm_params: {model: openai/f}, model_info: {id: file-1}}\n"
    "  - {model_name: by-name, litellm_params: {model: openai/n, litellm_credential_name: stored}}\n"
    "credential_list:\n"
    "  - {credential_name: filed, credential_values: {api_key: sk-filed}}\n"
    "general_settings: {store_model_in_db: true}\n";

LoadOptions options() {
  LoadOptions load;
  load.path = "config.yaml";
  load.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "PROVIDER_KEY") return "sk-of-the-environment";
    if (name == "LITELLM_SALT_KEY") return "salt";
    return std::nullopt;
  };
  return load;
}

config::Node model(const std::string& id, const std::string& params, const std::string& info = "{}") {
  Result<config::Node> node = model_node(id, "group-" + id, params, info);
  EXPECT_TRUE(node) << node.error().message;
  return *node;
}

config::Node credential(const std::string& name, const std::string& key) {
  const std::string text =
      R"({"credential_name":")" + name + R"(","credential_values":{"api_key":")" + key + R"("},"credential_info":{}})";
  json::Document document;
  EXPECT_TRUE(document.parse(text));
  return node_of(document.root());
}

Loaded beside(config::Stored stored) {
  const Loaded file = config::load_text(kFile, options());
  EXPECT_TRUE(file.settings);
  return config::load_document(file.document, options(), stored);
}

const config::ModelEntry* find(const Loaded& loaded, std::string_view id) {
  for (const config::ModelEntry& entry : loaded.settings->models) {
    if (entry.id == id || entry.model_name == id) return &entry;
  }
  return nullptr;
}

TEST(StoredModels, AreReadLikeThoseOfTheFile) {
  config::Stored stored;
  stored.models.push_back(model("m1", R"({"model":"openai/a","api_key":"sk-1","input_cost_per_token":2.5e-6,"rpm":7})",
                                R"({"id":"other","db_model":false,"team_id":"red","access_groups":["beta"]})"));
  stored.models.push_back(model("m2", R"({"model":"openai/b","litellm_credential_name":"filed"})"));
  stored.models.push_back(model("m3", R"({"model":"openai/c","api_key":"os.environ/PROVIDER_KEY"})"));
  stored.credentials.push_back(credential("stored", "sk-stored"));
  stored.credentials.push_back(credential("filed", "sk-the-file-goes-first"));
  const Loaded loaded = beside(std::move(stored));
  ASSERT_TRUE(loaded.settings);
  const config::ModelEntry* one = find(loaded, "m1");
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->api_key.reveal(), "sk-1");
  EXPECT_EQ(one->prices.at(0).decimal, "2.5e-6");
  EXPECT_EQ(one->rpm, 7);
  EXPECT_EQ(one->team_id, "red");
  EXPECT_EQ(one->identity, "stored|m1");
  EXPECT_TRUE(one->stored);
  EXPECT_FALSE(find(loaded, "file-1")->stored);
  EXPECT_EQ(find(loaded, "m2")->api_key.reveal(), "sk-filed");
  EXPECT_EQ(find(loaded, "m3")->api_key.reveal(), "sk-of-the-environment");
  EXPECT_EQ(find(loaded, "by-name")->api_key.reveal(), "sk-stored") << "the file may name what is stored";
  ASSERT_EQ(loaded.settings->credentials.size(), 3U);
  EXPECT_FALSE(loaded.settings->credentials[0].stored);
  EXPECT_TRUE(loaded.settings->credentials[1].stored);
}

TEST(StoredModels, ABrokenOneIsLeftOutByNameAndNoOther) {
  const struct {
    const char* params;
    const char* path;
  } rows[] = {
      {R"({"api_key":"sk-1"})", "litellm_params"},
      {R"({"model":"openai/a","rpm":"many"})", "litellm_params.rpm"},
      {R"({"model":"openai/a","weight":-1})", "litellm_params.weight"},
      {R"({"model":"openai/a","litellm_credential_name":"nobody"})", "litellm_params"},
      {R"({"model":"openai/a","api_key":"os.environ/LITELLM_SALT_KEY"})", "litellm_params.api_key"},
      {R"({"model":"openai/a","api_key":"oidc/env/X"})", "litellm_params.api_key"},
      {R"({"model":"vertex_ai/g","vertex_credentials":"/etc/passwd"})", "litellm_params.vertex_credentials"},
      {R"({"model":"vertex_ai/g","vertex_credentials":"{\"type\":\"external_account\"}"})",
       "litellm_params.vertex_credentials"},
  };
  for (const auto& row : rows) {
    config::Stored stored;
    stored.models.push_back(model("bad", row.params));
    stored.models.push_back(model("good", R"({"model":"openai/a","api_key":"sk-1"})"));
    stored.models.push_back(model("file-1", R"({"model":"openai/a","api_key":"sk-1"})"));
    const Loaded loaded = beside(std::move(stored));
    ASSERT_TRUE(loaded.settings) << row.params;
    EXPECT_EQ(find(loaded, "bad"), nullptr) << row.params;
    EXPECT_NE(find(loaded, "good"), nullptr) << row.params;
    EXPECT_FALSE(find(loaded, "file-1")->stored) << "an id of the file is taken";
    bool told = false;
    for (const config::Diagnostic& one : loaded.diagnostics) {
      told |= one.file == "stored model group-bad (bad)" && one.severity == config::Severity::Warning &&
              one.path.ends_with(row.path);
    }
    EXPECT_TRUE(told) << row.params;
  }
}

class StoredRowsTest : public testing::Test {
 protected:
  StoredRowsTest() {
    path_ = std::filesystem::temp_directory_path() / ("turnpike_stored_" + std::to_string(::getpid()) +
                                                      testing::UnitTest::GetInstance()->current_test_info()->name());
    remove_files();
    database_ = std::move(*db::open_test_database(path_));
  }
  ~StoredRowsTest() override {
    database_.reset();
    remove_files();
  }
  void remove_files() {
    for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_.string() + end);
  }
  void store(const std::string& id, const std::string& params_json, bool blocked = false) {
    const Status done = database_->transact_now([&](db::Transaction& transaction) -> Status {
      const Actor actor{"ann", "", "call-1", 1'700'000'000'000'000};
      Records records(transaction, actor);
      Record row(kModels);
      row.set("model_id", db::Value(id)).set("model_name", db::Value("group-" + id));
      row.set("litellm_params", db::Value(params_json)).set("blocked", db::Value(std::int64_t{blocked}));
      const Result<Record> made = records.create(std::move(row));
      return made ? Status() : base::fail(made.error());
    });
    ASSERT_TRUE(done) << done.error().message;
  }

  std::filesystem::path path_;
  std::unique_ptr<db::Database> database_;
};

TEST_F(StoredRowsTest, AreOpenedAndResealedAllOrNone) {
  const Sealer old_key{base::Secret("old")};
  const Sealer new_key{base::Secret("new")};
  store("a", *seal_strings(old_key, R"({"model":"openai/a","api_key":"sk-1"})"));
  store("off", *seal_strings(old_key, R"({"model":"openai/b"})"), true);
  Result<StoredRows> rows = read_stored(*database_, old_key);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->stored.models.size(), 1U) << "what is blocked is not served";
  EXPECT_EQ(rows->stored.models[0].find("litellm_params")->find("api_key")->scalar(), "sk-1");
  EXPECT_TRUE(rows->broken.empty());
  const std::string before = rows->fingerprint;
  EXPECT_EQ(read_stored(*database_, old_key)->fingerprint, before);

  EXPECT_FALSE(reseal(*database_, new_key, old_key));
  ASSERT_EQ(read_stored(*database_, old_key)->stored.models.size(), 1U) << "nothing has been changed";
  const Result<Resealed> done = reseal(*database_, old_key, new_key);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->models, 2);
  rows = read_stored(*database_, old_key);
  EXPECT_EQ(rows->stored.models.size(), 0U);
  ASSERT_EQ(rows->broken.size(), 1U);
  EXPECT_TRUE(rows->broken[0].starts_with("stored model group-a (a): model cannot be decrypted")) << rows->broken[0];
  EXPECT_NE(rows->fingerprint, before);
  EXPECT_EQ(read_stored(*database_, new_key)->stored.models.size(), 1U);
}

}  // namespace
}  // namespace turnpike::account::stored_test
