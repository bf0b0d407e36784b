//! The table of clauses, in the order of the specification.

use super::requirement::{Clause, Level};
use super::section::Section;

/// Every clause that the suite checks.
pub const CLAUSES: &[Clause] = &[
    // DeterminingSupport
    must(Section::DeterminingSupport, "version_check_answers_200", "GET /v2/ answers 200."),
    // LegacyHeaders
    may(
        Section::LegacyHeaders,
        "version_check_names_the_docker_api_version",
        "Docker-Distribution-API-Version, if sent, is registry/2.0.",
    ),
    // Warnings
    must(
        Section::Warnings,
        "warnings_are_well_formed",
        "Warning headers, if sent, have the code 299, the agent \"-\" and no date, and at most 4096 bytes in total.",
    ),
    // PullingManifests
    must(
        Section::PullingManifests,
        "manifest_is_pulled_by_tag",
        "GET of a tag answers 200 with the manifest.",
    ),
    must(
        Section::PullingManifests,
        "manifest_is_pulled_by_digest",
        "GET of a manifest's digest answers 200 with the manifest.",
    ),
    must(
        Section::PullingManifests,
        "manifest_is_pulled_without_an_accept_header",
        "A client can pull a manifest without an Accept header, which is only recommended.",
    ),
    must(
        Section::PullingManifests,
        "accept_takes_several_types",
        "A client that accepts several types, in one header or in several, can pull a manifest.",
    ),
    should(
        Section::PullingManifests,
        "manifest_carries_its_digest",
        "The answer has the manifest's digest in Docker-Content-Digest.",
    ),
    should(
        Section::PullingManifests,
        "content_type_is_the_one_that_was_pushed",
        "A manifest has the Content-Type with which it was pushed.",
    ),
    should(
        Section::PullingManifests,
        "content_type_has_no_parameters",
        "The Content-Type of a manifest has no parameters.",
    ),
    must(Section::PullingManifests, "unknown_tag_is_404", "GET of an unknown tag answers 404."),
    must(
        Section::PullingManifests,
        "unknown_manifest_digest_is_404",
        "GET of an unknown manifest digest answers 404.",
    ),
    must(
        Section::PullingManifests,
        "manifest_of_another_repository_is_404",
        "GET of a manifest in another repository answers 404.",
    ),
    must(
        Section::PullingManifests,
        "nothing_is_stored_under_an_invalid_name",
        "Nothing is stored or listed under a repository name that does not match the pattern.",
    ),
    must(
        Section::PullingManifests,
        "every_valid_name_is_taken",
        "Every repository name that matches the pattern can be pushed to, even if it looks like a route.",
    ),
    must(
        Section::PullingManifests,
        "every_valid_tag_is_taken",
        "Every tag that matches the pattern can be pushed, up to 128 characters.",
    ),
    must(
        Section::PullingManifests,
        "nothing_is_stored_under_an_invalid_tag",
        "A manifest is not stored under a tag that does not match the pattern.",
    ),
    should(
        Section::PullingManifests,
        "content_is_pulled_in_any_order",
        "Blobs can be pulled before the manifest that names them.",
    ),
    // PullingBlobs
    must(Section::PullingBlobs, "blob_is_pulled", "GET of a blob answers 200 with its bytes."),
    should(
        Section::PullingBlobs,
        "blob_carries_its_digest",
        "The answer has the blob's digest in Docker-Content-Digest.",
    ),
    must(
        Section::PullingBlobs,
        "blob_digest_header_is_of_the_body",
        "Docker-Content-Digest, if sent, is a digest of the body.",
    ),
    must(Section::PullingBlobs, "unknown_blob_is_404", "GET of an unknown blob answers 404."),
    must(
        Section::PullingBlobs,
        "blob_of_another_repository_is_404",
        "GET of a blob in another repository answers 404.",
    ),
    should(
        Section::PullingBlobs,
        "range_from_the_start",
        "A range at the start is answered 206 with its bytes and Content-Range.",
    ),
    should(
        Section::PullingBlobs,
        "range_in_the_middle",
        "A range in the middle is answered 206 with its bytes and Content-Range.",
    ),
    should(
        Section::PullingBlobs,
        "range_of_one_byte",
        "A range of only the last byte is answered 206.",
    ),
    should(
        Section::PullingBlobs,
        "range_without_an_end",
        "A range without an end goes to the end of the blob.",
    ),
    should(Section::PullingBlobs, "range_of_a_suffix", "A suffix range gives the last bytes."),
    should(
        Section::PullingBlobs,
        "suffix_longer_than_the_blob_is_all_of_it",
        "A suffix range that is longer than the blob gives all of it.",
    ),
    should(
        Section::PullingBlobs,
        "range_that_ends_too_late_is_cut",
        "A range that ends after the blob is cut at its end.",
    ),
    should(
        Section::PullingBlobs,
        "range_past_the_end_is_416",
        "A range that begins after the end is answered 416.",
    ),
    should(
        Section::PullingBlobs,
        "answer_416_has_the_size",
        "The 416 has the size of the blob in Content-Range.",
    ),
    should(
        Section::PullingBlobs,
        "pull_resumes_where_it_stopped",
        "An interrupted pull continues with a range, and the parts together are the blob.",
    ),
    // CheckingForContent
    must(
        Section::CheckingForContent,
        "head_of_a_blob_is_200",
        "HEAD of a blob answers 200 without a body.",
    ),
    should(
        Section::CheckingForContent,
        "head_of_a_blob_has_its_digest",
        "HEAD of a blob has its digest in Docker-Content-Digest.",
    ),
    should(
        Section::CheckingForContent,
        "head_of_a_blob_has_its_size",
        "HEAD of a blob has its size in Content-Length.",
    ),
    must(
        Section::CheckingForContent,
        "head_of_a_manifest_is_200",
        "HEAD of a manifest, by tag and by digest, answers 200 without a body.",
    ),
    should(
        Section::CheckingForContent,
        "head_of_a_manifest_has_its_digest",
        "HEAD of a manifest has its digest in Docker-Content-Digest.",
    ),
    should(
        Section::CheckingForContent,
        "head_of_a_manifest_has_its_size",
        "HEAD of a manifest has its size in Content-Length.",
    ),
    must(
        Section::CheckingForContent,
        "head_of_an_unknown_blob_is_404",
        "HEAD of an unknown blob answers 404.",
    ),
    must(
        Section::CheckingForContent,
        "head_of_an_unknown_manifest_is_404",
        "HEAD of an unknown tag or manifest digest answers 404.",
    ),
    // Push
    must(
        Section::Push,
        "subject_need_not_exist",
        "A manifest whose subject does not exist is stored.",
    ),
    must(
        Section::Push,
        "missing_layer_is_refused_with_its_code",
        "A manifest that is refused for a missing layer is refused with MANIFEST_BLOB_UNKNOWN.",
    ),
    must(
        Section::Push,
        "missing_config_is_refused_with_its_code",
        "A manifest that is refused for a missing config is refused with MANIFEST_BLOB_UNKNOWN.",
    ),
    must(
        Section::Push,
        "layer_of_another_repository_is_missing",
        "A layer in another repository counts as missing: the refusal is MANIFEST_BLOB_UNKNOWN.",
    ),
    must(
        Section::Push,
        "missing_child_is_refused_with_its_code",
        "An index that is refused for a missing manifest is refused with MANIFEST_BLOB_UNKNOWN.",
    ),
    must(
        Section::Push,
        "sparse_index_is_kept_or_refused",
        "An index whose manifests are all missing is stored byte for byte, or refused with MANIFEST_BLOB_UNKNOWN.",
    ),
    // PostThenPut
    must(Section::PostThenPut, "post_starts_an_upload", "POST answers 202 with a Location."),
    must(
        Section::PostThenPut,
        "upload_location_holds_a_unique_uuid",
        "The Location of an upload contains a unique UUID.",
    ),
    must(
        Section::PostThenPut,
        "put_stores_the_blob",
        "PUT with digest and bytes answers 201, and the blob can be pulled.",
    ),
    must(
        Section::PostThenPut,
        "blob_is_pullable_from_its_location",
        "The Location of the 201 is a URL from which the blob can be pulled.",
    ),
    must(Section::PostThenPut, "blob_is_pushed_again", "An existing blob can be pushed again."),
    must(
        Section::PostThenPut,
        "empty_blob_is_stored",
        "An empty blob is stored and pulled like any other.",
    ),
    must(
        Section::PostThenPut,
        "digest_may_be_percent_encoded",
        "The digest in the query may be percent-encoded.",
    ),
    // SinglePost
    may(
        Section::SinglePost,
        "single_post_stores_the_blob",
        "POST with digest and bytes answers 201, and the blob can be pulled from the Location.",
    ),
    should(
        Section::SinglePost,
        "single_post_stores_or_starts_an_upload",
        "A registry that does not support the single POST answers 202 with a Location, and a PUT then stores the blob.",
    ),
    must(
        Section::SinglePost,
        "single_post_with_a_wrong_digest_is_refused",
        "A single POST with a wrong digest is refused with 400.",
    ),
    // Chunks
    must(
        Section::Chunks,
        "chunks_in_order_make_the_blob",
        "Each chunk in order is answered 202, and the closing PUT without a body stores the blob.",
    ),
    must(Section::Chunks, "chunk_answer_has_location", "The answer to a chunk has a Location."),
    must(
        Section::Chunks,
        "chunk_answer_has_range",
        "The answer to a chunk has the Range 0-<end> of the received bytes.",
    ),
    must(
        Section::Chunks,
        "last_chunk_goes_with_the_put",
        "The closing PUT may carry the last chunk, and its 201 has a Location to pull from.",
    ),
    must(
        Section::Chunks,
        "first_chunk_not_at_zero_is_416",
        "A first chunk that does not begin at 0 is answered 416.",
    ),
    must(Section::Chunks, "chunk_after_a_gap_is_416", "A chunk that leaves a gap is answered 416."),
    must(Section::Chunks, "repeated_chunk_is_416", "A chunk that was sent before is answered 416."),
    must(
        Section::Chunks,
        "last_chunk_out_of_order_is_416",
        "A last chunk out of order in the closing PUT is answered 416, and nothing is stored.",
    ),
    must(
        Section::Chunks,
        "upload_goes_on_after_416",
        "After a 416 the status has the offset, and the upload continues there.",
    ),
    must(
        Section::Chunks,
        "status_of_an_upload_is_204",
        "GET of an upload answers 204 with a Location.",
    ),
    must(
        Section::Chunks,
        "status_has_the_range_so_far",
        "GET of an upload has the Range 0-<end> of the received bytes.",
    ),
    must(
        Section::Chunks,
        "upload_goes_on_where_status_says",
        "An upload can be finished from the offset and the Location of its status.",
    ),
    should(
        Section::Chunks,
        "minimum_chunk_size_is_a_number",
        "OCI-Chunk-Min-Length, if sent, is a number of bytes; the suite's chunks obey it.",
    ),
    // Mounting
    must(
        Section::Mounting,
        "blob_is_mounted",
        "A mount answers 201 with a Location, and the blob can be pulled from the new repository.",
    ),
    must(
        Section::Mounting,
        "mounted_blob_is_pullable_from_its_location",
        "The Location of a mount is a URL from which the blob can be pulled.",
    ),
    should(
        Section::Mounting,
        "mount_of_an_unknown_blob_starts_an_upload",
        "A mount of a blob that does not exist in the source answers 202, and its upload can be used.",
    ),
    should(
        Section::Mounting,
        "mount_from_an_unknown_repository_starts_an_upload",
        "A mount from a repository that does not exist answers 202, and its upload can be used.",
    ),
    should(
        Section::Mounting,
        "mount_from_nowhere_of_an_unknown_blob_starts_an_upload",
        "A mount without a source, of a blob that does not exist, answers 202, and its upload can be used.",
    ),
    may(
        Section::Mounting,
        "blob_is_mounted_without_a_source",
        "A mount without a source finds the blob elsewhere in the registry.",
    ),
    should(
        Section::Mounting,
        "mount_without_a_source_is_answered_as_specified",
        "A mount without a source answers 201 or 202, with a Location.",
    ),
    // PushingManifests
    must(
        Section::PushingManifests,
        "put_by_tag_is_201",
        "PUT of a manifest by tag answers 201 with a Location.",
    ),
    must(
        Section::PushingManifests,
        "put_by_digest_is_201",
        "PUT of a manifest by digest answers 201 with a Location.",
    ),
    must(
        Section::PushingManifests,
        "manifest_is_pullable_from_its_location",
        "The Location is a URL from which the manifest can be pulled.",
    ),
    must(
        Section::PushingManifests,
        "put_answers_with_the_digest",
        "Docker-Content-Digest, if sent, is the digest of the pushed manifest.",
    ),
    must(
        Section::PushingManifests,
        "manifest_is_kept_byte_for_byte",
        "A manifest is returned byte for byte, whatever its white space, order and unknown members.",
    ),
    must(
        Section::PushingManifests,
        "put_by_another_digest_is_refused",
        "A manifest is refused under a wrong digest.",
    ),
    must(
        Section::PushingManifests,
        "manifest_is_pushed_again",
        "An existing manifest can be pushed again, under any tag.",
    ),
    must(
        Section::PushingManifests,
        "tag_moves_to_the_manifest_pushed_last",
        "A tag that is pushed again refers to the new manifest; the older manifest keeps its digest.",
    ),
    must(
        Section::PushingManifests,
        "manifest_without_layers_is_stored",
        "A manifest with an empty list of layers is stored.",
    ),
    must(
        Section::PushingManifests,
        "index_with_children_is_stored",
        "An index of existing manifests is stored.",
    ),
    should(
        Section::PushingManifests,
        "parameters_of_the_pushed_type_are_ignored",
        "Parameters of the Content-Type of a PUT are ignored.",
    ),
    should(
        Section::PushingManifests,
        "manifest_without_a_media_type_member_is_stored",
        "A manifest without the member mediaType, which is only recommended, is stored under its Content-Type.",
    ),
    must(
        Section::PushingManifests,
        "pull_from_an_unknown_repository_is_404",
        "Pulling from a repository that does not exist answers 404.",
    ),
    should(
        Section::PushingManifests,
        "manifest_of_four_megabytes_is_stored",
        "A manifest of 4 megabytes is stored.",
    ),
    should(
        Section::PushingManifests,
        "manifest_that_is_too_large_is_413",
        "The size of manifests is limited, and a larger manifest is answered 413.",
    ),
    // PushingSubjects
    must(
        Section::PushingSubjects,
        "put_with_a_subject_says_oci_subject",
        "A registry with the referrers API answers the PUT of a manifest with a subject with OCI-Subject.",
    ),
    should(
        Section::PushingSubjects,
        "put_without_a_subject_says_no_oci_subject",
        "The answer to a manifest without a subject has no OCI-Subject.",
    ),
    // ListingTags
    must(Section::ListingTags, "tags_are_listed", "GET of the tag list answers 200 with each tag."),
    must(
        Section::ListingTags,
        "tag_list_has_its_shape",
        "The tag list is JSON with the repository's `name` and a list `tags`.",
    ),
    must(
        Section::ListingTags,
        "tags_are_in_lexical_order",
        "Tags are in lexical order: by ASCII, or without regard to case.",
    ),
    must(
        Section::ListingTags,
        "repository_without_tags_lists_none",
        "A repository whose manifests have no tags answers 200 with an empty list.",
    ),
    must(
        Section::ListingTags,
        "n_limits_the_tags",
        "With n, the list has the first n tags, or fewer and a Link.",
    ),
    must(
        Section::ListingTags,
        "n_of_zero_lists_none",
        "With n=0, the list is empty and there is no Link.",
    ),
    must(
        Section::ListingTags,
        "n_beyond_the_end_lists_all",
        "With n beyond the number of tags, all tags are listed.",
    ),
    must(
        Section::ListingTags,
        "last_begins_after_that_tag",
        "With last, the list begins after that tag.",
    ),
    must(Section::ListingTags, "last_needs_no_n", "last works without n."),
    must(
        Section::ListingTags,
        "link_leads_through_all_tags",
        "A Link, if sent, has rel=\"next\", and following it gives each tag once.",
    ),
    // ListingReferrers
    should(
        Section::ListingReferrers,
        "referrers_are_offered",
        "The registry offers the referrers API.",
    ),
    must(
        Section::ListingReferrers,
        "nothing_refers_is_an_empty_index",
        "A digest without referrers, known or unknown, is answered 200 with an empty list.",
    ),
    must(
        Section::ListingReferrers,
        "referrers_of_an_unknown_repository_are_not_404",
        "A registry with the referrers API never answers a request to it with 404.",
    ),
    must(
        Section::ListingReferrers,
        "referrers_of_a_malformed_digest_are_400",
        "A malformed digest is answered 400.",
    ),
    must(
        Section::ListingReferrers,
        "referrers_have_the_type_of_an_index",
        "The Content-Type is that of an image index.",
    ),
    must(Section::ListingReferrers, "referrers_are_an_image_index", "The body is an image index."),
    must(
        Section::ListingReferrers,
        "referrer_is_listed",
        "A referrer is listed with its digest, size and media type.",
    ),
    must(
        Section::ListingReferrers,
        "referrer_has_its_artifact_type",
        "A referrer is listed with the artifactType of its manifest.",
    ),
    must(
        Section::ListingReferrers,
        "config_type_stands_for_a_missing_artifact_type",
        "For a manifest without an artifactType or with an empty one, the media type of its config is listed.",
    ),
    must(
        Section::ListingReferrers,
        "index_without_an_artifact_type_has_none",
        "A referring index without an artifactType is listed without one.",
    ),
    must(
        Section::ListingReferrers,
        "index_with_an_artifact_type_has_it",
        "A referring index with an artifactType is listed with it.",
    ),
    must(
        Section::ListingReferrers,
        "referrer_has_its_annotations",
        "A referrer is listed with the annotations of its manifest.",
    ),
    must(
        Section::ListingReferrers,
        "referrer_is_listed_before_its_subject_arrives",
        "A referrer is listed before its subject is pushed, and also after that.",
    ),
    must(
        Section::ListingReferrers,
        "referrers_stay_in_their_repository",
        "Only referrers in the same repository are listed.",
    ),
    should(
        Section::ListingReferrers,
        "referrers_are_filtered_by_type",
        "With artifactType, only referrers of that type are listed.",
    ),
    must(
        Section::ListingReferrers,
        "applied_filter_is_named",
        "OCI-Filters-Applied names a filter if and only if it was applied.",
    ),
    must(
        Section::ListingReferrers,
        "many_referrers_are_all_listed",
        "Following the Links, if there are any, gives each referrer once.",
    ),
    must(
        Section::ListingReferrers,
        "referrers_of_an_index_are_listed",
        "Referrers of an index are listed.",
    ),
    must(
        Section::ListingReferrers,
        "referrer_of_a_referrer_is_listed",
        "Referrers of a referrer are listed.",
    ),
    should(
        Section::ListingReferrers,
        "deleted_referrer_is_not_listed",
        "A deleted referrer is no longer listed.",
    ),
    should(
        Section::ListingReferrers,
        "referrers_outlive_their_subject",
        "Referrers are listed, and can be pulled, after their subject was deleted.",
    ),
    may(
        Section::ListingReferrers,
        "referrers_of_a_sha512_subject_are_listed",
        "A referrer that names its subject by SHA-512 is listed under that digest.",
    ),
    // DeletingTags
    must(
        Section::DeletingTags,
        "deleting_a_tag_is_202_or_disabled",
        "DELETE of a tag answers 202, or 400 or 405 if it is disabled.",
    ),
    must(Section::DeletingTags, "deleted_tag_is_404", "GET of a deleted tag answers 404."),
    should(
        Section::DeletingTags,
        "deleting_a_tag_keeps_the_manifest",
        "Deleting a tag keeps the manifest and its other tags.",
    ),
    // DeletingManifests
    must(
        Section::DeletingManifests,
        "deleting_a_manifest_is_202_or_disabled",
        "DELETE of a manifest answers 202, or 400 or 405 if it is disabled.",
    ),
    must(
        Section::DeletingManifests,
        "deleted_manifest_is_404",
        "GET of a deleted manifest answers 404.",
    ),
    must(
        Section::DeletingManifests,
        "tags_of_a_deleted_manifest_are_404",
        "GET of a tag of a deleted manifest answers 404, and of other tags does not.",
    ),
    must(
        Section::DeletingManifests,
        "deleting_in_an_unknown_repository_is_404",
        "DELETE in a repository that does not exist answers 404.",
    ),
    // DeletingBlobs
    must(
        Section::DeletingBlobs,
        "deleting_a_blob_is_202_or_disabled",
        "DELETE of a blob answers 202, or 400 or 405 if it is disabled.",
    ),
    must(Section::DeletingBlobs, "deleted_blob_is_404", "GET of a deleted blob answers 404."),
    must(
        Section::DeletingBlobs,
        "deleting_an_unknown_blob_is_404",
        "DELETE of an unknown blob answers 404.",
    ),
    // Endpoints
    must(
        Section::Endpoints,
        "wrong_digest_is_refused",
        "end-6: bytes with a wrong digest are refused with 400, and nothing is stored.",
    ),
    must(
        Section::Endpoints,
        "put_without_a_digest_is_refused",
        "end-6: a PUT without a digest is refused with 400, and nothing is stored.",
    ),
    should(
        Section::Endpoints,
        "malformed_digest_is_refused",
        "end-6: a malformed digest is refused with 400.",
    ),
    should(
        Section::Endpoints,
        "unknown_digest_algorithm_is_refused",
        "end-6: a digest of an unknown algorithm is refused with 400.",
    ),
    must(
        Section::Endpoints,
        "wrong_digest_after_chunks_is_refused",
        "end-6: a closing PUT whose digest is not that of all chunks is refused with 400.",
    ),
    must(
        Section::Endpoints,
        "digest_of_the_last_chunk_alone_is_refused",
        "end-6: the digest of only the last chunk is refused with 400.",
    ),
    should(
        Section::Endpoints,
        "status_of_an_unknown_upload_is_404",
        "end-13: the status of an unknown upload is answered 404.",
    ),
    should(
        Section::Endpoints,
        "chunk_to_an_unknown_upload_is_404",
        "end-5: a chunk to an unknown upload is answered 404.",
    ),
    should(
        Section::Endpoints,
        "put_to_an_unknown_upload_is_404",
        "end-6: a PUT to an unknown upload is answered 404.",
    ),
    should(
        Section::Endpoints,
        "finished_upload_is_unknown",
        "end-13: the status of a finished upload is answered 404.",
    ),
    should(
        Section::Endpoints,
        "tag_list_of_an_unknown_repository_is_404",
        "end-8a: the tag list of an unknown repository is answered 404.",
    ),
    should(
        Section::Endpoints,
        "deleting_an_unknown_tag_is_404",
        "end-9: DELETE of an unknown tag answers 404.",
    ),
    should(
        Section::Endpoints,
        "deleting_an_unknown_manifest_is_404",
        "end-9: DELETE of an unknown manifest answers 404.",
    ),
    should(
        Section::Endpoints,
        "invalid_json_is_refused",
        "end-7: a manifest that is not a JSON object is refused with 400.",
    ),
    // ErrorCodes
    must(
        Section::ErrorCodes,
        "error_bodies_have_their_shape",
        "A 4xx body in JSON has the list `errors`, whose members have a `code` of capitals and underscores.",
    ),
    must(
        Section::ErrorCodes,
        "error_codes_are_those_of_the_table",
        "A code is in the table (or one of the two codes that are tolerated for Docker's sake).",
    ),
    should(
        Section::ErrorCodes,
        "unknown_blob_is_blob_unknown",
        "code-1: an unknown blob is BLOB_UNKNOWN.",
    ),
    should(
        Section::ErrorCodes,
        "unknown_upload_is_blob_upload_unknown",
        "code-3: an unknown upload is BLOB_UPLOAD_UNKNOWN.",
    ),
    should(
        Section::ErrorCodes,
        "wrong_digest_is_digest_invalid",
        "code-4: bytes with a wrong digest, and a malformed digest, are DIGEST_INVALID.",
    ),
    should(
        Section::ErrorCodes,
        "wrong_digest_of_a_manifest_is_digest_invalid",
        "code-4: a manifest under a wrong digest is DIGEST_INVALID.",
    ),
    should(
        Section::ErrorCodes,
        "invalid_manifest_is_manifest_invalid",
        "code-6: a manifest that is not JSON is MANIFEST_INVALID.",
    ),
    should(
        Section::ErrorCodes,
        "unknown_manifest_is_manifest_unknown",
        "code-7: an unknown tag or manifest digest is MANIFEST_UNKNOWN.",
    ),
    should(
        Section::ErrorCodes,
        "invalid_name_is_name_invalid",
        "code-8: an invalid repository name is NAME_INVALID.",
    ),
    should(
        Section::ErrorCodes,
        "unknown_repository_is_name_unknown",
        "code-9: a repository that does not exist is NAME_UNKNOWN.",
    ),
    // LaterDraft
    extension(Section::LaterDraft, "cancelled_upload_is_204", "DELETE of an upload answers 204."),
    extension(
        Section::LaterDraft,
        "cancelled_upload_is_gone",
        "Requests to a cancelled upload are answered 404.",
    ),
    extension(
        Section::LaterDraft,
        "digest_algorithm_is_announced",
        "An upload may be announced as SHA-512 with digest-algorithm.",
    ),
    extension(
        Section::LaterDraft,
        "unknown_announced_algorithm_is_refused",
        "An unknown digest-algorithm is refused with 400.",
    ),
    extension(
        Section::LaterDraft,
        "chunks_of_a_sha512_blob_make_it",
        "A blob announced as SHA-512 can be pushed in chunks.",
    ),
    extension(
        Section::LaterDraft,
        "uploads_run_side_by_side",
        "A client can run several uploads of one blob in parallel.",
    ),
    // ImageSpecification
    extension(
        Section::ImageSpecification,
        "sha512_blob_is_stored",
        "A blob is stored under its SHA-512.",
    ),
    extension(
        Section::ImageSpecification,
        "sha512_manifest_is_stored",
        "A manifest is stored under its SHA-512.",
    ),
    extension(
        Section::ImageSpecification,
        "index_of_indexes_is_stored",
        "An index may contain indexes.",
    ),
    extension(Section::ImageSpecification, "empty_index_is_stored", "An index may be empty."),
    extension(
        Section::ImageSpecification,
        "artifact_with_an_empty_config_is_stored",
        "An artifact with an empty config and an artifactType is stored.",
    ),
    extension(
        Section::ImageSpecification,
        "unknown_config_and_layer_types_are_stored",
        "Media types of config and layers that the registry does not know are stored.",
    ),
    extension(
        Section::ImageSpecification,
        "unknown_members_are_stored",
        "Members that the registry does not know are stored.",
    ),
    extension(
        Section::ImageSpecification,
        "descriptor_with_data_is_stored",
        "A descriptor may contain its data.",
    ),
    extension(
        Section::ImageSpecification,
        "non_distributable_layer_need_not_be_pushed",
        "A non-distributable layer with URLs need not exist.",
    ),
    extension(
        Section::ImageSpecification,
        "malformed_descriptors_are_refused",
        "A manifest with a malformed descriptor is refused with a 4xx.",
    ),
    // DockerApi
    extension(
        Section::DockerApi,
        "docker_schema_2_is_stored",
        "Docker's schema 2 is stored under its media type.",
    ),
    extension(
        Section::DockerApi,
        "docker_manifest_list_is_stored",
        "Docker's manifest list is stored under its media type.",
    ),
    extension(
        Section::DockerApi,
        "docker_schema_1_is_refused",
        "Docker's schema 1 is refused with a matching code.",
    ),
    extension(
        Section::DockerApi,
        "catalog_lists_repositories",
        "The catalog lists the repositories after last, in order.",
    ),
    extension(Section::DockerApi, "catalog_is_paged", "The catalog is paged with n and a Link."),
    extension(
        Section::DockerApi,
        "streamed_patch_makes_the_blob",
        "A PATCH of unknown length, without Content-Range, as docker sends it, uploads the blob.",
    ),
    extension(
        Section::DockerApi,
        "streamed_patch_says_what_it_took",
        "The answer to a streamed PATCH has the Range of the received bytes.",
    ),
    extension(
        Section::DockerApi,
        "streamed_put_makes_the_blob",
        "A PUT of unknown length uploads the blob.",
    ),
    extension(Section::DockerApi, "last_need_not_exist", "The tag that last names need not exist."),
    extension(
        Section::DockerApi,
        "malformed_n_is_refused",
        "A malformed n is refused with 400 or ignored.",
    ),
    // Advisory
    extension(
        Section::Advisory,
        "content_type_that_contradicts_the_document_is_refused",
        "A manifest whose mediaType contradicts its Content-Type is refused.",
    ),
    extension(
        Section::Advisory,
        "ambiguous_document_is_refused",
        "A document that is both a manifest and an index is refused.",
    ),
    // Http
    extension(
        Section::Http,
        "head_says_what_get_says",
        "HEAD has the type, length, digest and ETag of GET.",
    ),
    extension(
        Section::Http,
        "accept_of_everything_gets_the_manifest",
        "Accept: */* gets the manifest, of whatever type.",
    ),
    extension(
        Section::Http,
        "range_of_an_unknown_unit_is_ignored",
        "A Range of an unknown unit is ignored.",
    ),
    extension(
        Section::Http,
        "several_ranges_are_answered_sanely",
        "Several ranges are answered with parts, with one range or with all.",
    ),
    extension(
        Section::Http,
        "answer_416_is_whole",
        "The answer to a range past the end has the announced length.",
    ),
    extension(Section::Http, "head_ignores_ranges", "HEAD ignores Range."),
    extension(
        Section::Http,
        "blob_has_an_etag_that_gives_304",
        "The ETag of a blob in If-None-Match gives 304.",
    ),
    extension(
        Section::Http,
        "manifest_has_an_etag_that_gives_304",
        "The ETag of a manifest in If-None-Match gives 304.",
    ),
    extension(Section::Http, "another_etag_gives_200", "Another ETag in If-None-Match gives 200."),
    extension(
        Section::Http,
        "if_range_decides_between_part_and_whole",
        "If-Range gives the part if the ETag matches, else the whole blob.",
    ),
    extension(Section::Http, "answer_405_lists_the_methods", "A 405 has Allow."),
    extension(
        Section::Http,
        "methods_that_do_not_exist_are_refused",
        "Methods that a route does not support answer 405, or 404.",
    ),
    extension(Section::Http, "unknown_routes_are_404", "Routes that do not exist answer 404."),
    extension(
        Section::Http,
        "refusals_have_a_json_body",
        "Every refusal has a JSON body of the specified form.",
    ),
    extension(
        Section::Http,
        "percent_encoded_digest_in_a_path_is_the_digest",
        "The colon of a digest in a path may be percent-encoded.",
    ),
    extension(
        Section::Http,
        "malformed_request_line_is_400",
        "A malformed request line is refused.",
    ),
    extension(Section::Http, "request_without_a_host_is_400", "A request without Host is refused."),
    extension(
        Section::Http,
        "contradicting_lengths_are_400",
        "Two Content-Lengths that differ are refused.",
    ),
    extension(Section::Http, "malformed_lengths_are_400", "A malformed Content-Length is refused."),
    extension(
        Section::Http,
        "expectation_is_met",
        "Expect: 100-continue is answered, or the body is accepted without it.",
    ),
    // Robustness
    extension(
        Section::Robustness,
        "invalid_names_and_tags_are_refused",
        "An invalid repository name or tag is refused with a 4xx.",
    ),
    extension(
        Section::Robustness,
        "malformed_ranges_do_no_harm",
        "A malformed Range is ignored or refused, never answered 5xx.",
    ),
    extension(
        Section::Robustness,
        "accept_never_changes_the_document",
        "Under a digest, no Accept header makes the registry send another document.",
    ),
    extension(
        Section::Robustness,
        "manifest_without_a_content_type_does_no_harm",
        "A manifest without a Content-Type is stored under its own media type, or refused.",
    ),
    extension(
        Section::Robustness,
        "manifest_of_a_nonsense_type_does_no_harm",
        "A manifest with a nonsense Content-Type is not answered 5xx.",
    ),
    extension(
        Section::Robustness,
        "refused_manifest_leaves_the_tag_alone",
        "A refused manifest does not change its tag.",
    ),
    extension(
        Section::Robustness,
        "deep_json_does_no_harm",
        "JSON with a hundred thousand levels is refused, and the registry keeps working.",
    ),
    extension(
        Section::Robustness,
        "malformed_content_range_is_refused",
        "A malformed Content-Range is refused with 400 or 416.",
    ),
    extension(
        Section::Robustness,
        "content_range_of_another_length_is_refused",
        "A Content-Range that is longer than the body is refused with 400 or 416.",
    ),
    extension(
        Section::Robustness,
        "upload_of_another_repository_is_404",
        "An upload is not visible through another repository.",
    ),
    extension(
        Section::Robustness,
        "client_that_goes_away_leaves_a_resumable_upload",
        "A client that disconnects in the middle of a chunk can continue at the offset in the status.",
    ),
    extension(
        Section::Robustness,
        "streaming_client_that_goes_away_leaves_a_resumable_upload",
        "A client that disconnects in the middle of a streamed PATCH can continue at the offset in the status.",
    ),
    extension(
        Section::Robustness,
        "mount_leaves_the_source_as_it_was",
        "A mount keeps the blob in its source.",
    ),
    extension(
        Section::Robustness,
        "mount_of_a_malformed_digest_does_no_harm",
        "A mount of a malformed digest is refused or starts an upload.",
    ),
    extension(
        Section::Robustness,
        "mount_from_a_malformed_name_does_no_harm",
        "A mount from a malformed name is refused or starts an upload.",
    ),
    extension(
        Section::Robustness,
        "tags_of_a_deleted_manifest_are_not_listed",
        "The tags of a deleted manifest are no longer listed.",
    ),
    extension(
        Section::Robustness,
        "deleted_manifest_can_be_pushed_again",
        "A deleted manifest can be pushed again.",
    ),
    extension(
        Section::Robustness,
        "deleted_blob_can_be_pushed_again",
        "A deleted blob can be pushed again.",
    ),
    extension(
        Section::Robustness,
        "deleting_in_one_repository_leaves_the_others",
        "Deleting a blob in one repository keeps it in the others.",
    ),
    extension(
        Section::Robustness,
        "deleting_a_malformed_digest_is_refused",
        "DELETE of a malformed digest is refused with a 4xx.",
    ),
    extension(Section::Robustness, "huge_header_is_refused", "A header of 4 MiB is refused."),
    extension(
        Section::Robustness,
        "long_target_is_refused",
        "A target of 200,000 characters is refused.",
    ),
    extension(
        Section::Robustness,
        "long_name_is_refused",
        "A repository name of more than 255 characters is refused.",
    ),
    extension(
        Section::Robustness,
        "malformed_transfer_chunks_are_refused",
        "A body with malformed transfer chunks is refused.",
    ),
    extension(
        Section::Robustness,
        "body_that_is_cut_stores_nothing",
        "A blob whose body is cut before its length is not stored.",
    ),
    extension(
        Section::Robustness,
        "manifest_that_is_cut_stores_nothing",
        "A manifest whose body is cut before its length is not stored.",
    ),
    extension(
        Section::Robustness,
        "traversal_is_refused",
        "Path traversal with dots and slashes, plain or percent-encoded, is refused.",
    ),
    extension(
        Section::Robustness,
        "malformed_percent_encoding_does_no_harm",
        "Malformed percent-encoding is refused.",
    ),
];

/// The clause with this name, if there is one.
pub fn clause(id: &str) -> Option<&'static Clause> {
    CLAUSES.iter().find(|clause| clause.id == id)
}

const fn must(section: Section, id: &'static str, statement: &'static str) -> Clause {
    Clause { id, section, level: Level::Must, statement }
}

const fn should(section: Section, id: &'static str, statement: &'static str) -> Clause {
    Clause { id, section, level: Level::Should, statement }
}

const fn may(section: Section, id: &'static str, statement: &'static str) -> Clause {
    Clause { id, section, level: Level::May, statement }
}

const fn extension(section: Section, id: &'static str, statement: &'static str) -> Clause {
    Clause { id, section, level: Level::Extension, statement }
}
