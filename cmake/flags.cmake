# Warnings and code generation common to all targets; what differs between builds stands in CMakePresets.json.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
                    -Wno-gnu-statement-expression)
add_link_options(-fuse-ld=lld-19)
add_compile_definitions(SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL TURNPIKE_VERSION="${PROJECT_VERSION}")
if(TURNPIKE_FAULTS)
  add_compile_definitions(TURNPIKE_FAULTS=1)
endif()
