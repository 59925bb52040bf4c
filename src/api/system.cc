#include "api/handlers.h"
#include "api/page.h"
#include "api/route.h"
#include "base/log.h"
#include "base/text.h"

namespace turnpike::api {

Task<Result<Reply>> list_routes(const Context&) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("routes").begin_array();
  for (const Route& route : routes()) {
    writer.begin_object();
    writer.key("path").string(route.path);
    writer.key("methods").begin_array().string(http::method_name(route.method)).end_array();
    writer.key("name").string(route.path);
    writer.key("endpoint").string(route.path);
    writer.key("who").string(who_name(route.who));
    writer.end_object();
  }
  writer.end_array().end_object();
  co_return json_reply(std::move(body));
}

Task<Result<Reply>> test_route(const Context& context) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object()
      .key("route")
      .string(base_url(context.request().find("host")) + context.hooks.root_path + "/test")
      .end_object();
  co_return json_reply(std::move(body));
}

Task<Result<Reply>> reload_config(const Context& context) {
  if (!context.hooks.reload) {
    co_return base::fail(ErrorKind::Unavailable,
                         "This gateway was started without a configuration that could be reloaded.");
  }
  Result<std::string> report = co_await context.hooks.reload(context.exchange.thread());
  if (!report) co_return base::fail(std::move(report.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("status").string("success");
  writer.key("message").string(report->empty() ? "Configuration reloaded, nothing changed."
                                               : "Configuration reloaded.");
  writer.key("changes").begin_array();
  for (const std::string_view line : base::split(*report, '\n')) {
    if (!line.empty()) writer.string(line);
  }
  writer.end_array().end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
