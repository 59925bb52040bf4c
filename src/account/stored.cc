#include "account/stored.h"

#include <fmt/format.h>

#include <memory>

#include "base/hash.h"

namespace turnpike::account {
namespace {

void set_place(config::Node& node, const std::shared_ptr<const std::string>& file) {
  node.set_place(file, 0);
  for (config::Node::Item& item : node.items_mutable()) set_place(item.value, file);
  for (config::Node& element : node.elements_mutable()) set_place(element, file);
}

Result<config::Node> object_node(std::string_view name, const std::string& json_text) {
  json::Document document;
  if (!document.parse(json_text) || !document.root().is(json::Kind::Object))
    return base::fail(ErrorKind::InvalidRequest, std::string(name) + " is no JSON object");
  return node_of(document.root());
}

config::Node::Item member(std::string key, config::Node value) {
  return {std::move(key), 0, std::move(value)};
}

Result<config::Node> credential_node(const std::string& name, const std::string& values_json,
                                     const std::string& info_json) {
  Result<config::Node> values = object_node("credential_values", values_json);
  if (!values) return values;
  Result<config::Node> info = object_node("credential_info", info_json);
  if (!info) return info;
  config::Node node = config::Node::map();
  node.items_mutable().push_back(member("credential_name", config::Node::text(name)));
  node.items_mutable().push_back(member("credential_values", std::move(*values)));
  node.items_mutable().push_back(member("credential_info", std::move(*info)));
  set_place(node, std::make_shared<const std::string>("stored credential " + name));
  return node;
}

Result<config::Node> opened_model(const db::Row& row, const Sealer& sealer) {
  const Result<std::string> params = open_strings(sealer, db::as_text(row.at(2)));
  if (!params) return base::fail(params.error());
  return model_node(db::as_text(row.at(0)), db::as_text(row.at(1)), *params, db::as_text(row.at(3)));
}

Result<config::Node> opened_credential(const db::Row& row, const Sealer& sealer) {
  const Result<std::string> values = open_strings(sealer, db::as_text(row.at(1)));
  if (!values) return base::fail(values.error());
  return credential_node(db::as_text(row.at(0)), *values, db::as_text(row.at(2)));
}

}  // namespace

config::Node node_of(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::Null:
      return {};
    case json::Kind::Bool:
      return config::Node::boolean(value.boolean().value_or(false), std::string(value.raw()));
    case json::Kind::Number:
      return config::Node::number(std::string(value.raw()));
    case json::Kind::String:
      return config::Node::text(value.text().value_or(std::string()));
    case json::Kind::Array: {
      config::Node list = config::Node::list();
      for (const json::Value element : value.elements()) list.elements_mutable().push_back(node_of(element));
      return list;
    }
    case json::Kind::Object:
      break;
  }
  config::Node map = config::Node::map();
  for (const json::Value::Pair pair : value.members())
    map.items_mutable().push_back(member(pair.key.text().value_or(std::string()), node_of(pair.value)));
  return map;
}

Result<config::Node> model_node(const std::string& model_id, const std::string& model_name,
                                const std::string& litellm_params_json, const std::string& model_info_json) {
  Result<config::Node> params = object_node("litellm_params", litellm_params_json);
  if (!params) return params;
  Result<config::Node> info = object_node("model_info", model_info_json);
  if (!info) return info;
  // The row's id is the deployment's, whatever its model_info says; so is what says where it comes from.
  std::erase_if(info->items_mutable(),
                [](const config::Node::Item& item) { return item.key == "id" || item.key == "db_model"; });
  info->items_mutable().push_back(member("id", config::Node::text(model_id)));
  config::Node node = config::Node::map();
  node.items_mutable().push_back(member("model_name", config::Node::text(model_name)));
  node.items_mutable().push_back(member("litellm_params", std::move(*params)));
  node.items_mutable().push_back(member("model_info", std::move(*info)));
  set_place(node, std::make_shared<const std::string>(fmt::format("stored model {} ({})", model_name, model_id)));
  return node;
}

namespace {

/// One column of secrets, row by row.
Result<std::int64_t> reseal_column(db::Transaction& transaction, const Sealer& from, const Sealer& to,
                                   std::string_view table, std::string_view key, std::string_view column) {
  const auto rows = transaction.run(fmt::format("SELECT {}, {} FROM {}", key, column, table), {});
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) {
    const std::string name = db::as_text(row.at(0));
    const Result<std::string> opened = open_strings(from, db::as_text(row.at(1)));
    if (!opened) {
      return base::fail(ErrorKind::Unavailable, fmt::format("{} {}: {}", table, name, opened.error().message));
    }
    const Result<std::string> sealed = seal_strings(to, *opened);
    if (!sealed) return base::fail(sealed.error());
    const auto written =
        transaction.run(fmt::format("UPDATE {} SET {} = $1 WHERE {} = $2", table, column, key), {*sealed, name});
    if (!written) return base::fail(written.error());
  }
  return static_cast<std::int64_t>(rows->rows.size());
}

}  // namespace

Result<Resealed> reseal(db::Database& database, const Sealer& from, const Sealer& to) {
  Resealed done;
  const Status changed = database.transact_now([&](db::Transaction& transaction) -> Status {
    const Result<std::int64_t> models =
        reseal_column(transaction, from, to, "stored_model", "model_id", "litellm_params");
    if (!models) return base::fail(models.error());
    const Result<std::int64_t> credentials =
        reseal_column(transaction, from, to, "credential", "credential_name", "credential_values");
    if (!credentials) return base::fail(credentials.error());
    done = {*models, *credentials};
    return {};
  });
  if (!changed) return base::fail(changed.error());
  return done;
}

Result<StoredRows> read_stored(db::Database& database, const Sealer& sealer) {
  db::Rows models, credentials;
  const Status read = database.transact_now([&](db::Transaction& transaction) -> Status {
    Result<db::Rows> rows = transaction.run(
        "SELECT model_id, model_name, litellm_params, model_info FROM stored_model WHERE blocked = 0 "
        "ORDER BY created_at_us, model_id",
        {});
    if (!rows) return base::fail(std::move(rows.error()));
    models = std::move(*rows);
    rows = transaction.run(
        "SELECT credential_name, credential_values, credential_info FROM credential ORDER BY credential_name", {});
    if (!rows) return base::fail(std::move(rows.error()));
    credentials = std::move(*rows);
    return {};
  });
  if (!read) return base::fail(read.error());
  StoredRows found;
  std::string all;
  for (const db::Row& row : models.rows) {
    for (const db::Value& value : row) all += db::as_text(value) + '\n';
    Result<config::Node> node = opened_model(row, sealer);
    if (node) {
      found.stored.models.push_back(std::move(*node));
    } else {
      found.broken.push_back(fmt::format("stored model {} ({}): {}; this deployment is left out",
                                         db::as_text(row.at(1)), db::as_text(row.at(0)), node.error().message));
    }
  }
  for (const db::Row& row : credentials.rows) {
    for (const db::Value& value : row) all += db::as_text(value) + '\n';
    Result<config::Node> node = opened_credential(row, sealer);
    if (node) {
      found.stored.credentials.push_back(std::move(*node));
    } else {
      found.broken.push_back(
          fmt::format("stored credential {}: {}; it is left out", db::as_text(row.at(0)), node.error().message));
    }
  }
  found.fingerprint = base::sha256_hex(all);
  return found;
}

}  // namespace turnpike::account
