# Tables of facts made at build time and embedded read-only: the price catalogue and the ranks of the tokenizers.
# Included by src/CMakeLists.txt after the folders; adds to turnpike_price.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(price_tables ${PROJECT_BINARY_DIR}/generated/price)
file(MAKE_DIRECTORY ${price_tables})

set(price_file ${PROJECT_SOURCE_DIR}/data/prices/model_prices.json)
set(price_file_date 2026-08-01)
set(price_table ${price_tables}/prices.bin)
add_custom_command(
  OUTPUT ${price_table}
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/make_price_table.py ${price_file} ${price_file_date} ${price_table}
  DEPENDS ${price_file} ${PROJECT_SOURCE_DIR}/tools/make_price_table.py
  COMMENT "Packing the price catalogue")

set(embedded_tables ${price_table})
foreach(encoding cl100k_base o200k_base)
  set(ranks ${PROJECT_SOURCE_DIR}/data/tokenizer/${encoding}.tiktoken.gz)
  add_custom_command(
    OUTPUT ${price_tables}/${encoding}.bin
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/make_rank_table.py ${ranks} ${price_tables}/${encoding}.bin
    DEPENDS ${ranks} ${PROJECT_SOURCE_DIR}/tools/make_rank_table.py
    COMMENT "Packing the ranks of ${encoding}")
  list(APPEND embedded_tables ${price_tables}/${encoding}.bin)
endforeach()

set_source_files_properties(
  ${PROJECT_SOURCE_DIR}/src/price/embedded.cc PROPERTIES
  OBJECT_DEPENDS "${embedded_tables}"
  SKIP_PRECOMPILE_HEADERS ON
  COMPILE_DEFINITIONS "PRICE_TABLES=\"${price_tables}\"")
target_sources(turnpike_price PRIVATE ${embedded_tables})
