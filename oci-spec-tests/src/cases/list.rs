//! The list of all cases. `for_each_case!` is the only one; [`CASES`] and the tests are generated from it.

use std::pin::Pin;

use super::{
    base, content_types, delete, errors, limits, manifests, mount, pull, push_chunked,
    push_monolithic, ranges_and_conditions, referrers, tags, upload_status_cancel,
};
use crate::context::Context;
use crate::outcome::{Failure, Outcome};
use crate::registry::Registry;

/// The check of one clause.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name of the clause.
    pub clause: &'static str,
    /// The group of cases to which it belongs.
    pub group: &'static str,
    run: for<'a> fn(&'a Context) -> Running<'a>,
}

/// A running case.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send + 'a>>;

/// Runs a case against a registry, in its own repository.
pub async fn run_case(case: &Case, registry: &Registry) -> Result<Outcome, Failure> {
    let ctx = Context::new(registry);
    (case.run)(&ctx).await
}

/// Passes the names of all cases, by group, to another macro.
#[macro_export]
macro_rules! for_each_case {
    ($then:ident) => {
        $then! {
            base {
                version_check_answers_200
                version_check_names_the_docker_api_version
                warnings_are_well_formed
            }
            pull {
                manifest_is_pulled_by_tag
                manifest_is_pulled_by_digest
                manifest_is_pulled_without_an_accept_header
                manifest_carries_its_digest
                unknown_tag_is_404
                unknown_manifest_digest_is_404
                manifest_of_another_repository_is_404
                pull_from_an_unknown_repository_is_404
                blob_is_pulled
                blob_carries_its_digest
                blob_digest_header_is_of_the_body
                unknown_blob_is_404
                blob_of_another_repository_is_404
                head_of_a_blob_is_200
                head_of_a_blob_has_its_digest
                head_of_a_blob_has_its_size
                head_of_a_manifest_is_200
                head_of_a_manifest_has_its_digest
                head_of_a_manifest_has_its_size
                head_says_what_get_says
                head_of_an_unknown_blob_is_404
                head_of_an_unknown_manifest_is_404
                content_is_pulled_in_any_order
            }
            ranges_and_conditions {
                range_from_the_start
                range_in_the_middle
                range_of_one_byte
                range_without_an_end
                range_of_a_suffix
                suffix_longer_than_the_blob_is_all_of_it
                range_that_ends_too_late_is_cut
                range_past_the_end_is_416
                answer_416_has_the_size
                answer_416_is_whole
                range_of_an_unknown_unit_is_ignored
                malformed_ranges_do_no_harm
                several_ranges_are_answered_sanely
                head_ignores_ranges
                pull_resumes_where_it_stopped
                blob_has_an_etag_that_gives_304
                manifest_has_an_etag_that_gives_304
                another_etag_gives_200
                if_range_decides_between_part_and_whole
            }
            push_monolithic {
                post_starts_an_upload
                upload_location_holds_a_unique_uuid
                put_stores_the_blob
                blob_is_pullable_from_its_location
                blob_is_pushed_again
                empty_blob_is_stored
                wrong_digest_is_refused
                put_without_a_digest_is_refused
                malformed_digest_is_refused
                unknown_digest_algorithm_is_refused
                single_post_stores_the_blob
                single_post_stores_or_starts_an_upload
                single_post_with_a_wrong_digest_is_refused
                digest_may_be_percent_encoded
                sha512_blob_is_stored
                digest_algorithm_is_announced
                unknown_announced_algorithm_is_refused
                uploads_run_side_by_side
            }
            push_chunked {
                chunks_in_order_make_the_blob
                chunk_answer_has_location
                chunk_answer_has_range
                last_chunk_goes_with_the_put
                first_chunk_not_at_zero_is_416
                chunk_after_a_gap_is_416
                repeated_chunk_is_416
                last_chunk_out_of_order_is_416
                upload_goes_on_after_416
                malformed_content_range_is_refused
                content_range_of_another_length_is_refused
                wrong_digest_after_chunks_is_refused
                digest_of_the_last_chunk_alone_is_refused
                minimum_chunk_size_is_a_number
                streamed_patch_makes_the_blob
                streamed_patch_says_what_it_took
                streamed_put_makes_the_blob
                chunks_of_a_sha512_blob_make_it
            }
            upload_status_cancel {
                status_of_an_upload_is_204
                status_has_the_range_so_far
                upload_goes_on_where_status_says
                status_of_an_unknown_upload_is_404
                chunk_to_an_unknown_upload_is_404
                put_to_an_unknown_upload_is_404
                finished_upload_is_unknown
                upload_of_another_repository_is_404
                cancelled_upload_is_204
                cancelled_upload_is_gone
                client_that_goes_away_leaves_a_resumable_upload
                streaming_client_that_goes_away_leaves_a_resumable_upload
            }
            mount {
                blob_is_mounted
                mounted_blob_is_pullable_from_its_location
                mount_leaves_the_source_as_it_was
                mount_of_an_unknown_blob_starts_an_upload
                mount_from_an_unknown_repository_starts_an_upload
                mount_from_nowhere_of_an_unknown_blob_starts_an_upload
                blob_is_mounted_without_a_source
                mount_without_a_source_is_answered_as_specified
                mount_of_a_malformed_digest_does_no_harm
                mount_from_a_malformed_name_does_no_harm
            }
            manifests {
                put_by_tag_is_201
                put_by_digest_is_201
                manifest_is_pullable_from_its_location
                put_answers_with_the_digest
                manifest_is_kept_byte_for_byte
                put_by_another_digest_is_refused
                manifest_is_pushed_again
                tag_moves_to_the_manifest_pushed_last
                sha512_manifest_is_stored
                manifest_without_layers_is_stored
                missing_layer_is_refused_with_its_code
                missing_config_is_refused_with_its_code
                layer_of_another_repository_is_missing
                missing_child_is_refused_with_its_code
                sparse_index_is_kept_or_refused
                refused_manifest_leaves_the_tag_alone
                invalid_json_is_refused
                malformed_descriptors_are_refused
                deep_json_does_no_harm
                manifest_of_four_megabytes_is_stored
                manifest_that_is_too_large_is_413
                index_with_children_is_stored
                index_of_indexes_is_stored
                empty_index_is_stored
            }
            content_types {
                content_type_is_the_one_that_was_pushed
                content_type_has_no_parameters
                parameters_of_the_pushed_type_are_ignored
                manifest_without_a_media_type_member_is_stored
                content_type_that_contradicts_the_document_is_refused
                ambiguous_document_is_refused
                manifest_without_a_content_type_does_no_harm
                manifest_of_a_nonsense_type_does_no_harm
                accept_takes_several_types
                accept_of_everything_gets_the_manifest
                accept_never_changes_the_document
                artifact_with_an_empty_config_is_stored
                unknown_config_and_layer_types_are_stored
                unknown_members_are_stored
                descriptor_with_data_is_stored
                non_distributable_layer_need_not_be_pushed
                docker_schema_2_is_stored
                docker_manifest_list_is_stored
                docker_schema_1_is_refused
            }
            tags {
                tags_are_listed
                tag_list_has_its_shape
                tags_are_in_lexical_order
                repository_without_tags_lists_none
                n_limits_the_tags
                n_of_zero_lists_none
                n_beyond_the_end_lists_all
                last_begins_after_that_tag
                last_needs_no_n
                last_need_not_exist
                link_leads_through_all_tags
                tag_list_of_an_unknown_repository_is_404
                malformed_n_is_refused
                catalog_lists_repositories
                catalog_is_paged
            }
            referrers {
                referrers_are_offered
                nothing_refers_is_an_empty_index
                referrers_of_an_unknown_repository_are_not_404
                referrers_of_a_malformed_digest_are_400
                referrers_have_the_type_of_an_index
                referrers_are_an_image_index
                put_with_a_subject_says_oci_subject
                put_without_a_subject_says_no_oci_subject
                subject_need_not_exist
                referrer_is_listed
                referrer_has_its_artifact_type
                config_type_stands_for_a_missing_artifact_type
                index_without_an_artifact_type_has_none
                index_with_an_artifact_type_has_it
                referrer_has_its_annotations
                referrer_is_listed_before_its_subject_arrives
                referrers_stay_in_their_repository
                referrers_are_filtered_by_type
                applied_filter_is_named
                deleted_referrer_is_not_listed
                referrers_outlive_their_subject
                referrers_of_an_index_are_listed
                referrer_of_a_referrer_is_listed
                referrers_of_a_sha512_subject_are_listed
                many_referrers_are_all_listed
            }
            delete {
                deleting_a_tag_is_202_or_disabled
                deleted_tag_is_404
                deleting_a_tag_keeps_the_manifest
                deleting_an_unknown_tag_is_404
                deleting_a_manifest_is_202_or_disabled
                deleted_manifest_is_404
                tags_of_a_deleted_manifest_are_404
                tags_of_a_deleted_manifest_are_not_listed
                deleting_in_an_unknown_repository_is_404
                deleting_an_unknown_manifest_is_404
                deleted_manifest_can_be_pushed_again
                deleting_a_blob_is_202_or_disabled
                deleted_blob_is_404
                deleting_an_unknown_blob_is_404
                deleted_blob_can_be_pushed_again
                deleting_in_one_repository_leaves_the_others
                deleting_a_malformed_digest_is_refused
            }
            errors {
                error_bodies_have_their_shape
                error_codes_are_those_of_the_table
                refusals_have_a_json_body
                unknown_blob_is_blob_unknown
                unknown_upload_is_blob_upload_unknown
                wrong_digest_is_digest_invalid
                wrong_digest_of_a_manifest_is_digest_invalid
                invalid_manifest_is_manifest_invalid
                unknown_manifest_is_manifest_unknown
                unknown_repository_is_name_unknown
                invalid_name_is_name_invalid
                nothing_is_stored_under_an_invalid_name
                every_valid_name_is_taken
                every_valid_tag_is_taken
                nothing_is_stored_under_an_invalid_tag
                invalid_names_and_tags_are_refused
                methods_that_do_not_exist_are_refused
                answer_405_lists_the_methods
                unknown_routes_are_404
            }
            limits {
                huge_header_is_refused
                long_target_is_refused
                long_name_is_refused
                malformed_request_line_is_400
                request_without_a_host_is_400
                contradicting_lengths_are_400
                malformed_lengths_are_400
                malformed_transfer_chunks_are_refused
                body_that_is_cut_stores_nothing
                manifest_that_is_cut_stores_nothing
                expectation_is_met
                traversal_is_refused
                malformed_percent_encoding_does_no_harm
                percent_encoded_digest_in_a_path_is_the_digest
            }
        }
    };
}

macro_rules! table {
    ($($group:ident { $($case:ident)* })*) => {
        /// Every case of the suite.
        pub const CASES: &[Case] = &[$($(
            Case { clause: stringify!($case), group: stringify!($group), run: |ctx| Box::pin($group::$case(ctx)) },
        )*)*];
    };
}
for_each_case!(table);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CASES;
    use crate::CLAUSES;

    #[test]
    fn every_clause_has_a_case_and_every_case_names_a_clause() {
        let clauses: BTreeSet<_> = CLAUSES.iter().map(|clause| clause.id).collect();
        let cases: BTreeSet<_> = CASES.iter().map(|case| case.clause).collect();

        assert_eq!(
            clauses.difference(&cases).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "clauses without a case"
        );
        assert_eq!(
            cases.difference(&clauses).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "cases without a clause"
        );
        assert_eq!(clauses.len(), CLAUSES.len(), "a clause occurs twice");
        assert_eq!(cases.len(), CASES.len(), "a case occurs twice");
    }

    #[test]
    fn every_clause_is_a_sentence_and_has_a_source() {
        for clause in CLAUSES {
            assert!(clause.statement.ends_with('.'), "{}", clause.id);
            assert!(
                clause.section == crate::Section::Robustness
                    || clause.section.url().starts_with("https://"),
                "{}",
                clause.id
            );
        }
    }
}
