/* The built-in functions of both families as one sorted table; leaves where calls stand to the survey. */
#include "proxy/sql/functions.h"

#include <stdlib.h>

#include "proxy/sql/bytes.h"

/* B: built in, reads at most. E: built in, but it writes, waits, holds locks, or depends on the connection's past.
 * K: no function, a keyword that a parenthesis may follow. Sorted, lower case. */
#define WORDS(B, E, K) \
    B(abs) B(acos) B(add_months) B(adddate) B(addtime) B(aes_decrypt) B(aes_encrypt) K(against) K(all) K(analyse) \
    K(and) K(any) B(any_value) B(area) K(as) B(asbinary) B(ascii) B(asin) B(astext) B(aswkb) B(aswkt) B(atan) B(atan2) \
    B(avg) E(benchmark) K(between) B(bigint) B(bin) B(bin_to_uuid) K(binary) E(binlog_gtid_pos) B(bit) B(bit_and) \
    B(bit_count) B(bit_length) B(bit_or) B(bit_xor) B(blob) B(boundary) B(buffer) K(by) K(call) K(case) B(cast) \
    B(ceil) B(ceiling) B(centroid) B(char) B(char_length) B(character) B(character_length) B(charset) K(check) B(chr) \
    B(coalesce) B(coercibility) B(collation) B(column_add) B(column_check) B(column_create) B(column_delete) \
    B(column_exists) B(column_get) B(column_json) B(column_list) K(columns) B(compress) B(concat) \
    B(concat_operator_oracle) B(concat_ws) B(connection_id) B(contains) B(conv) B(convert) B(convert_tz) B(convexhull) \
    B(cos) B(cot) B(count) B(crc32) B(crc32c) K(cross) B(crosses) B(cume_dist) B(curdate) B(current_date) \
    B(current_role) B(current_time) B(current_timestamp) B(current_user) B(curtime) B(database) B(date) B(date_add) \
    B(date_format) B(date_sub) B(datediff) B(datetime) B(day) B(dayname) B(dayofmonth) B(dayofweek) B(dayofyear) \
    B(dec) B(decimal) B(decode) E(decode_histogram) B(decode_oracle) B(default) B(degrees) K(delete) B(dense_rank) \
    B(des_decrypt) B(des_encrypt) B(dimension) B(disjoint) B(distance) K(distinct) K(div) K(do) B(double) K(else) \
    K(elseif) B(elt) B(encode) B(encrypt) K(end) B(endpoint) K(enum) B(envelope) B(equals) K(escape) K(except) \
    K(exists) B(exp) B(export_set) B(exteriorring) B(extract) B(extractvalue) K(fetch) B(field) B(find_in_set) \
    B(first_value) B(fixed) B(float) B(floor) K(for) B(format) B(format_bytes) B(format_pico_time) B(found_rows) \
    K(from) B(from_base64) B(from_days) B(from_unixtime) B(from_vector) B(geomcollection) B(geomcollfromtext) \
    B(geomcollfromwkb) B(geometrycollection) B(geometrycollectionfromtext) B(geometrycollectionfromwkb) \
    B(geometryfromtext) B(geometryfromwkb) B(geometryn) B(geometrytype) B(geomfromtext) B(geomfromwkb) B(get_format) \
    E(get_lock) B(glength) B(greatest) K(group) B(group_concat) B(grouping) B(gtid_subset) B(gtid_subtract) K(having) \
    B(hex) B(hour) B(icu_version) B(if) B(ifnull) K(in) K(index) B(inet6_aton) B(inet6_ntoa) B(inet_aton) B(inet_ntoa) \
    B(insert) B(instr) B(int) B(integer) B(interiorringn) K(intersect) B(intersects) B(interval) K(into) K(is) \
    E(is_free_lock) B(is_ipv4) B(is_ipv4_compat) B(is_ipv4_mapped) B(is_ipv6) E(is_used_lock) B(is_uuid) B(isclosed) \
    B(isempty) B(isnull) B(isring) B(issimple) K(join) B(json) B(json_array) B(json_array_append) B(json_array_insert) \
    B(json_array_intersect) B(json_arrayagg) B(json_compact) B(json_contains) B(json_contains_path) B(json_depth) \
    B(json_detailed) B(json_equals) B(json_exists) B(json_extract) B(json_insert) B(json_key_value) B(json_keys) \
    B(json_length) B(json_loose) B(json_merge) B(json_merge_patch) B(json_merge_preserve) B(json_normalize) \
    B(json_object) B(json_object_filter_keys) B(json_object_to_array) B(json_objectagg) B(json_overlaps) \
    B(json_pretty) B(json_query) B(json_quote) B(json_remove) B(json_replace) B(json_schema_valid) \
    B(json_schema_validation_report) B(json_search) B(json_set) B(json_storage_free) B(json_storage_size) \
    B(json_table) B(json_type) B(json_unquote) B(json_valid) B(json_value) B(kdf) K(key) B(lag) B(last_day) \
    E(last_insert_id) B(last_value) E(lastval) K(lateral) B(lcase) B(lead) B(least) B(left) B(length) B(lengthb) \
    K(like) K(limit) B(linefromtext) B(linefromwkb) B(linestring) B(linestringfromtext) B(linestringfromwkb) B(ln) \
    E(load_file) B(localtime) B(localtimestamp) B(locate) B(log) B(log10) B(log2) B(lower) B(lpad) B(lpad_oracle) \
    B(ltrim) B(ltrim_oracle) B(make_set) B(makedate) B(maketime) E(master_gtid_wait) E(master_pos_wait) B(match) \
    B(max) B(mbrcontains) B(mbrcoveredby) B(mbrcovers) B(mbrdisjoint) B(mbrequal) B(mbrequals) B(mbrintersects) \
    B(mbroverlaps) B(mbrtouches) B(mbrwithin) B(md5) B(median) B(mediumint) B(microsecond) B(mid) B(min) K(minus) \
    B(minute) B(mlinefromtext) B(mlinefromwkb) B(mod) B(month) B(monthname) B(mpointfromtext) B(mpointfromwkb) \
    B(mpolyfromtext) B(mpolyfromwkb) B(multilinestring) B(multilinestringfromtext) B(multilinestringfromwkb) \
    B(multipoint) B(multipointfromtext) B(multipointfromwkb) B(multipolygon) B(multipolygonfromtext) \
    B(multipolygonfromwkb) B(name_const) K(natural) B(natural_sort_key) B(nchar) E(nextval) K(not) B(now) B(nth_value) \
    B(ntile) B(nullif) B(numeric) B(numgeometries) B(numinteriorrings) B(numpoints) B(nvarchar) B(nvl) B(nvl2) B(oct) \
    B(octet_length) K(of) K(offset) B(old_password) K(on) K(or) B(ord) K(order) K(over) B(overlaps) K(partition) \
    K(partitions) B(password) B(percent_rank) B(percentile_cont) B(percentile_disc) B(period_add) B(period_diff) B(pi) \
    B(point) B(pointfromtext) B(pointfromwkb) B(pointn) B(pointonsurface) B(polyfromtext) B(polyfromwkb) B(polygon) \
    B(polygonfromtext) B(polygonfromwkb) B(position) B(pow) B(power) K(primary) B(ps_current_thread_id) \
    B(ps_thread_id) B(quarter) B(quote) B(radians) B(rand) B(random_bytes) K(range) B(rank) B(real) K(references) \
    K(regexp) B(regexp_instr) B(regexp_like) B(regexp_replace) B(regexp_substr) E(release_all_locks) E(release_lock) \
    B(repeat) B(replace) B(replace_oracle) K(return) K(returning) K(returns) B(reverse) B(right) K(rlike) \
    E(roles_graphml) K(rollup) B(round) K(row) B(row_count) B(row_number) K(rows) B(rpad) B(rpad_oracle) B(rtrim) \
    B(rtrim_oracle) B(schema) E(schemas) B(sec_to_time) B(second) K(select) K(separator) B(session_user) K(set) \
    K(sets) E(setval) B(sformat) B(sha) B(sha1) B(sha2) B(sign) B(signed) B(sin) E(sleep) B(smallint) K(some) \
    B(soundex) K(sounds) E(source_pos_wait) B(space) B(sqrt) B(srid) B(st_area) B(st_asbinary) B(st_asgeojson) \
    B(st_astext) B(st_aswkb) B(st_aswkt) B(st_boundary) B(st_buffer) B(st_buffer_strategy) B(st_centroid) \
    B(st_collect) B(st_contains) B(st_convexhull) B(st_crosses) B(st_difference) B(st_dimension) B(st_disjoint) \
    B(st_distance) B(st_distance_sphere) B(st_endpoint) B(st_envelope) B(st_equals) B(st_exteriorring) \
    B(st_frechetdistance) B(st_geohash) B(st_geomcollfromtext) B(st_geomcollfromtxt) B(st_geomcollfromwkb) \
    B(st_geometrycollectionfromtext) B(st_geometrycollectionfromwkb) B(st_geometryfromtext) B(st_geometryfromwkb) \
    B(st_geometryn) B(st_geometrytype) B(st_geomfromgeojson) B(st_geomfromtext) B(st_geomfromwkb) \
    B(st_hausdorffdistance) B(st_interiorringn) B(st_intersection) B(st_intersects) B(st_isclosed) B(st_isempty) \
    B(st_isring) B(st_issimple) B(st_isvalid) B(st_latfromgeohash) B(st_latitude) B(st_length) B(st_linefromtext) \
    B(st_linefromwkb) B(st_lineinterpolatepoint) B(st_lineinterpolatepoints) B(st_linestringfromtext) \
    B(st_linestringfromwkb) B(st_longfromgeohash) B(st_longitude) B(st_makeenvelope) B(st_mlinefromtext) \
    B(st_mlinefromwkb) B(st_mpointfromtext) B(st_mpointfromwkb) B(st_mpolyfromtext) B(st_mpolyfromwkb) \
    B(st_multilinestringfromtext) B(st_multilinestringfromwkb) B(st_multipointfromtext) B(st_multipointfromwkb) \
    B(st_multipolygonfromtext) B(st_multipolygonfromwkb) B(st_numgeometries) B(st_numinteriorring) \
    B(st_numinteriorrings) B(st_numpoints) B(st_overlaps) B(st_pointatdistance) B(st_pointfromgeohash) \
    B(st_pointfromtext) B(st_pointfromwkb) B(st_pointn) B(st_pointonsurface) B(st_polyfromtext) B(st_polyfromwkb) \
    B(st_polygonfromtext) B(st_polygonfromwkb) B(st_relate) B(st_simplify) B(st_srid) B(st_startpoint) B(st_swapxy) \
    B(st_symdifference) B(st_touches) B(st_transform) B(st_union) B(st_validate) B(st_within) B(st_x) B(st_y) \
    B(startpoint) B(statement_digest) B(statement_digest_text) B(std) B(stddev) B(stddev_pop) B(stddev_samp) \
    B(str_to_date) K(straight_join) B(strcmp) B(string_to_vector) B(subdate) B(substr) B(substr_oracle) B(substring) \
    B(substring_index) B(subtime) B(sum) B(sys_guid) B(sysdate) B(system_user) K(table) B(tan) B(text) K(then) B(time) \
    B(time_format) B(time_to_sec) B(timediff) B(timestamp) B(timestampadd) B(timestampdiff) B(tinyint) B(tinytext) \
    B(to_base64) B(to_char) B(to_date) B(to_days) B(to_number) B(to_seconds) B(to_vector) B(touches) B(trim) \
    B(trim_oracle) B(trunc) B(truncate) B(ucase) B(uncompress) B(uncompressed_length) B(unhex) K(union) K(unique) \
    B(unix_timestamp) B(unsigned) K(until) K(update) B(updatexml) B(upper) B(user) K(using) B(utc_date) B(utc_time) \
    B(utc_timestamp) B(uuid) E(uuid_short) B(uuid_to_bin) B(uuid_v4) B(uuid_v7) B(validate_password_strength) K(value) \
    K(values) B(var_pop) B(var_samp) B(varbinary) B(varchar) B(variance) B(vec_distance) B(vec_distance_cosine) \
    B(vec_distance_euclidean) B(vec_fromtext) B(vec_totext) B(vector) B(vector_dim) B(vector_distance) \
    B(vector_to_string) B(version) E(wait_for_executed_gtid_set) E(wait_until_sql_thread_after_gtids) B(week) \
    B(weekday) B(weekofyear) B(weight_string) K(when) K(where) K(while) K(window) K(with) B(within) \
    E(wsrep_last_seen_gtid) E(wsrep_last_written_gtid) E(wsrep_sync_wait_upto_gtid) B(x) K(xor) B(y) B(year) \
    B(yearweek)

struct word {
    const char *text;
    enum sql_callable callable;
};
#define BUILTIN(w) {#w, SQL_CALLABLE_BUILTIN},
#define EFFECT(w) {#w, SQL_CALLABLE_EFFECT},
#define KEYWORD(w) {#w, SQL_CALLABLE_NONE},
static const struct word words[] = {WORDS(BUILTIN, EFFECT, KEYWORD)};

static int compare(const void *key, const void *row)
{
    return bytes_compare_word(*(const struct slice *)key, ((const struct word *)row)->text);
}

enum sql_callable sql_callable(struct slice name)
{
    const struct word *row = bsearch(&name, words, sizeof words / sizeof *words, sizeof *words, compare);
    return row ? row->callable : SQL_CALLABLE_UNKNOWN;
}
