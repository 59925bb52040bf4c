#include <map>
#include <set>

#include "account/tables.h"
#include "app/importer.h"

namespace turnpike::app {
namespace {

using account::Record;

struct Member {
  std::string user_id, email, role;
};

/// The truth is members_with_roles; what had none of it had two lists of ids.
std::vector<Member> members_of(const json::Value& team) {
  std::vector<Member> members;
  std::set<std::string> seen;
  const auto add = [&](Member member) {
    if (member.role.empty()) member.role = "user";
    if (seen.insert(member.user_id + "\n" + member.email).second) members.push_back(std::move(member));
  };
  json::Document document;
  const std::string text = nested_json(team.find("members_with_roles"));
  if (!text.empty() && document.parse(text)) {
    for (const json::Value one : document.root().elements())
      add({text_of(one.find("user_id")), text_of(one.find("user_email")), text_of(one.find("role"))});
  }
  if (!members.empty()) return members;
  for (const std::string& id : texts_of(team.find("admins"))) add({id, "", "admin"});
  for (const std::string& id : texts_of(team.find("members"))) {
    if (!seen.contains(id + "\n")) add({id, "", "user"});
  }
  return members;
}

}  // namespace

Status Importer::copy_members() {
  ImportCount& count = begin_count("LiteLLM_TeamMembership");
  const auto team = [&](const json::Value& row) -> Status {
    const std::string team_id = text_of(row.find("team_id"));
    if (team_id == "litellm-dashboard") return {};
    std::vector<Member> members = members_of(row);
    for (Member& member : members) {
      if (!member.user_id.empty() || member.email.empty()) continue;
      Status found =
          parts_.source->where("LiteLLM_UserTable", "user_email", member.email, [&](const json::Value& user) {
            member.user_id = text_of(user.find("user_id"));
            return Status{};
          });
      if (!found) return found;
    }
    std::map<std::string, Pending> rows;
    for (const Member& member : members) {
      if (member.user_id.empty()) {
        count.add_found(Money());
        count.leave_out(Money(), "a member without a user");
        continue;
      }
      Pending pending{Record(account::kTeamMembers)};
      pending.record.set("team_id", team_id).set("user_id", member.user_id).set("role", member.role);
      pending.created_us = time_of(row.find("created_at")).value_or(parts_.now_us);
      pending.updated_us = pending.created_us;
      rows.insert_or_assign(member.user_id, std::move(pending));
    }
    // Budget and spend of a member stand in a row of their own, which there is only where he has one.
    Status read = parts_.source->where("LiteLLM_TeamMembership", "team_id", team_id,
                                       [&](const json::Value& membership) -> Status {
                                         const Money spend = money_of(membership.find("spend")).value_or(Money());
                                         const auto member = rows.find(text_of(membership.find("user_id")));
                                         if (member == rows.end()) {
                                           count.add_found(spend);
                                           count.leave_out(spend, "of somebody who is no member of the team any more");
                                           return {};
                                         }
                                         member->second.record.spend = spend;
                                         const std::string budget = text_of(membership.find("budget_id"));
                                         if (!budget.empty()) member->second.record.set("budget_id", budget);
                                         return {};
                                       });
    if (!read) return read;
    std::vector<Pending> batch;
    for (auto& [id, pending] : rows) {
      count.add_found(pending.record.spend);
      batch.push_back(std::move(pending));
    }
    return write(batch, count);
  };
  return parts_.source->each("LiteLLM_TeamTable", {"team_id"}, team);
}

}  // namespace turnpike::app
