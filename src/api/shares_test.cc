#include "api/shares.h"

#include <gtest/gtest.h>

#include "api/test_gateway.h"

namespace turnpike::api::shares_test {
namespace {

struct Step {
  const char* what;
  const char* target;
  const char* body;
  int status;
  const char* holds;
};

void run(TestGateway& gateway, std::span<const Step> steps) {
  for (const Step& step : steps) {
    const Sent sent = *step.body == '\0' ? gateway.get(step.target) : gateway.post(step.target, step.body);
    EXPECT_EQ(sent.status, step.status) << step.what << ": " << sent.body;
    EXPECT_TRUE(sent.holds(step.holds)) << step.what << ": " << sent.body;
  }
}

TEST(LimitTypes, AreStoredAndShown) {
  TestGateway gateway;
  const Step steps[] = {
      {"of a key", "/key/generate", R"({"key":"sk-one","rpm_limit":5,"rpm_limit_type":"dynamic"})", 200,
       R"("rpm_limit_type":"dynamic")"},
      {"in its metadata", "/key/info?key=sk-one", "", 200, R"("metadata":{"rpm_limit_type":"dynamic"})"},
      {"kept where metadata is replaced", "/key/update", R"({"key":"sk-one","metadata":{"note":"x"}})", 200,
       R"("rpm_limit_type":"dynamic")"},
      {"changed", "/key/update", R"({"key":"sk-one","rpm_limit_type":"best_effort_throughput"})", 200,
       R"("rpm_limit_type":"best_effort_throughput")"},
      {"cleared", "/key/update", R"({"key":"sk-one","rpm_limit_type":null})", 200, R"("rpm_limit_type":null)"},
      {"of a team", "/team/new", R"({"team_id":"t1","tpm_limit_type":"guaranteed_throughput"})", 200,
       R"("tpm_limit_type":"guaranteed_throughput")"},
      {"no other words", "/team/new", R"({"tpm_limit_type":"often"})", 400, R"("param":"tpm_limit_type")"},
      {"nor in its metadata", "/team/update", R"({"team_id":"t1","metadata":{"rpm_limit_type":7}})", 400,
       R"("param":"rpm_limit_type")"},
  };
  run(gateway, steps);
}

TEST(Promises, ToKeysOfATeamFitIntoWhatItHas) {
  TestGateway gateway;
  const Step steps[] = {
      {"a team", "/team/new", R"({"team_id":"t1","rpm_limit":100,"model_tpm_limit":{"gpt-4o":1000}})", 200, ""},
      {"more than it has", "/key/generate",
       R"({"team_id":"t1","rpm_limit":101,"rpm_limit_type":"guaranteed_throughput"})", 400, R"("param":"rpm_limit")"},
      {"as much as it has", "/key/generate",
       R"({"key":"sk-most","team_id":"t1","rpm_limit":60,"rpm_limit_type":"guaranteed_throughput"})", 200, ""},
      {"what nobody was promised takes nothing", "/key/generate", R"({"team_id":"t1","rpm_limit":90})", 200, ""},
      {"nor does what gives", "/key/generate", R"({"team_id":"t1","rpm_limit":90,"rpm_limit_type":"dynamic"})", 200,
       ""},
      {"and more", "/key/generate", R"({"team_id":"t1","rpm_limit":60,"rpm_limit_type":"guaranteed_throughput"})", 400,
       "Allocated RPM limit=60 + Key RPM limit=60 is greater than team RPM limit=100"},
      {"in the metadata as well", "/key/generate",
       R"({"team_id":"t1","rpm_limit":41,"metadata":{"rpm_limit_type":"guaranteed_throughput"}})", 400,
       "Allocated RPM limit=60 + Key RPM limit=41"},
      {"the rest", "/key/generate",
       R"({"key":"sk-rest","team_id":"t1","rpm_limit":40,"rpm_limit_type":"guaranteed_throughput"})", 200, ""},
      {"its own share is not counted twice", "/key/update", R"({"key":"sk-rest","rpm_limit":39})", 200, ""},
      {"more by an update", "/key/update", R"({"key":"sk-rest","rpm_limit":41})", 400,
       "Allocated RPM limit=60 + Key RPM limit=41 is greater than team RPM limit=100"},
      {"a key that comes in", "/key/generate",
       R"({"key":"sk-free","rpm_limit":5,"rpm_limit_type":"guaranteed_throughput"})", 200, ""},
      {"brings too much", "/key/update", R"({"key":"sk-free","team_id":"t1"})", 400, "Allocated RPM limit=99"},
      {"the team keeps what it has promised", "/team/update", R"({"team_id":"t1","rpm_limit":98})", 400,
       "Keys' RPM limit=99 is greater than team RPM limit=98"},
      {"what it does not need it may give up", "/team/update", R"({"team_id":"t1","rpm_limit":99})", 200, ""},
      {"other words change nothing", "/team/update", R"({"team_id":"t1","team_alias":"one"})", 200, ""},
      {"keys that go give back", "/key/delete", R"({"keys":["sk-most"]})", 200, ""},
      {"for others", "/key/update", R"({"key":"sk-free","team_id":"t1"})", 200, ""},
      {"per model", "/key/generate",
       R"({"team_id":"t1","model_tpm_limit":{"gpt-4o":700},"tpm_limit_type":"guaranteed_throughput"})", 200, ""},
      {"likewise", "/key/generate",
       R"({"team_id":"t1","model_tpm_limit":{"gpt-4o":301},"tpm_limit_type":"guaranteed_throughput"})", 400,
       "Allocated TPM limit=700 + Key TPM limit=301 is greater than team TPM limit=1000 for model gpt-4o"},
      {"of the other unit nothing is promised", "/key/generate",
       R"({"team_id":"t1","model_tpm_limit":{"gpt-4o":301},"rpm_limit_type":"guaranteed_throughput"})", 200, ""},
  };
  run(gateway, steps);
}

TEST(Promises, ToTeamsAndKeysFitIntoTheirOrganisation) {
  TestGateway gateway;
  const Step steps[] = {
      {"an organisation", "/organization/new",
       R"({"organization_id":"o1","organization_alias":"One","tpm_limit":1000})", 200, ""},
      {"a team", "/team/new",
       R"({"team_id":"t1","organization_id":"o1","tpm_limit":700,"tpm_limit_type":"guaranteed_throughput"})", 200, ""},
      {"another", "/team/new",
       R"({"team_id":"t2","organization_id":"o1","tpm_limit":301,"tpm_limit_type":"guaranteed_throughput"})", 400,
       "Allocated TPM limit=700 + Team TPM limit=301 is greater than organization TPM limit=1000"},
      {"one that is promised nothing", "/team/new", R"({"team_id":"t2","organization_id":"o1","tpm_limit":900})", 200,
       ""},
      {"until it is", "/team/update", R"({"team_id":"t2","tpm_limit_type":"guaranteed_throughput"})", 400,
       R"("param":"tpm_limit")"},
      {"a key of its own", "/key/generate",
       R"({"organization_id":"o1","tpm_limit":1001,"tpm_limit_type":"guaranteed_throughput"})", 400,
       "Key TPM limit=1001 is greater than organization TPM limit=1000"},
  };
  run(gateway, steps);
}

}  // namespace
}  // namespace turnpike::api::shares_test
