"""pynetdicom: every sample file in, and out again unchanged; odd peers; tenants; odd attributes."""

import io
import socket
import struct
import warnings

import pydicom
import pytest
import requests
from conftest import PYDICOM_DATA, SHARED, eventually, number, stored
from pydicom.uid import UID, generate_uid
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.sop_class import CTImageStorage, Verification

# Its data set ends within an element: refused, so that the sender keeps it. (Cut within Pixel Data is stored.)
CUT_IN_AN_ELEMENT = {"rtplan_truncated.dcm"}
KEYS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def samples():
    folders = [PYDICOM_DATA / "test_files", PYDICOM_DATA / "charset_files"]
    if SHARED:
        folders.append(SHARED / "samples" / "pydicom-data")
    for folder in folders:
        for path in sorted(folder.glob("*.dcm")):
            yield pytest.param(path, id=path.name)


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def raw_data_set(path):
    """The data set's bytes, after the file meta; and the file meta."""
    content = path.read_bytes()
    stream = io.BytesIO(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.filereader.read_preamble(stream, False)
        meta = pydicom.filereader._read_file_meta_info(stream)
    return content[stream.tell():], meta


def send_raw(archive, data_set, sop_class, sop_instance, transfer_syntax, called=None):
    """C-STORE of bytes as they are, so that nothing is re-encoded on the way; the status."""
    from pynetdicom.dimse_primitives import C_STORE

    ae = AE(ae_title="PYTEST")
    ae.add_requested_context(sop_class, [transfer_syntax])
    association = ae.associate(archive.host, archive.port, ae_title=called or archive.ae_title)
    assert association.is_established
    try:
        context = association.accepted_contexts[0]
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID = sop_class
        request.AffectedSOPInstanceUID = sop_instance
        request.Priority = 2
        request.DataSet = io.BytesIO(data_set)
        association._reactor_checkpoint.clear()
        association.dimse.send_msg(request, context.context_id)
        _, response = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
        assert response is not None
        return response.Status
    finally:
        association.release()


@pytest.mark.parametrize("path", list(samples()))
def test_sample_in_and_out(archive, web, path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = pydicom.dcmread(path, stop_before_pixels=True)
            keys = [head.get(key) for key in KEYS]
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"pydicom cannot read it: {type(error).__name__}")
    if not all(keys) or "TransferSyntaxUID" not in head.file_meta:
        pytest.skip("has no file meta or lacks a UID, so it cannot be sent by C-STORE")
    if not all(UID(key).is_valid for key in keys):
        pytest.skip("has an invalid UID")
    data_set, meta = raw_data_set(path)
    sop_class, instance, study, series = map(str, keys)
    status = send_raw(archive, data_set, sop_class, instance, str(meta.TransferSyntaxUID))
    if path.name in CUT_IN_AN_ELEMENT:
        assert 0xC000 <= status <= 0xCFFF
        return
    assert status == 0x0000

    def same():
        answer = requests.get(
            f"{archive.web}/studies/{study}/series/{series}/instances/{instance}", timeout=60,
            headers={"Accept": 'application/dicom; transfer-syntax="*"'})
        assert answer.status_code == 200, answer.text[:300]
        return answer.content.endswith(data_set) and answer.content[128:132] == b"DICM"

    eventually(same)
    eventually(lambda: web.retrieve_instance_metadata(study, series, instance))


def test_echo(archive):
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
    assert association.is_established
    assert association.send_c_echo().Status == 0x0000
    association.release()
    assert association.is_released


def test_many_contexts_and_role_selection(archive, ct_series):
    from pynetdicom import StoragePresentationContexts

    ae = AE()
    ae.requested_contexts = StoragePresentationContexts
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CTImageStorage, True, False
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title, ext_neg=[role])
    assert association.is_established
    assert len(association.accepted_contexts) == len(StoragePresentationContexts)
    assert association.send_c_store(ct_series(1).instances[0]).Status == 0x0000
    association.release()


def test_unknown_abstract_syntax_is_rejected_in_its_context(archive):
    ae = AE()
    ae.add_requested_context("1.2.826.0.1.3680043.8.498.1")
    ae.add_requested_context(Verification)
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
    assert association.is_established
    assert [context.result for context in association.rejected_contexts] == [3]
    association.release()


@pytest.mark.parametrize("length", [0, 128, 1000, 16382])
def test_maximum_pdu_lengths(archive, web, ct_series, length):
    series = ct_series(2)
    ae = AE()
    ae.maximum_pdu_size = length
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title, max_pdu=length)
    assert association.is_established
    for instance in series.instances:
        assert association.send_c_store(instance).Status == 0x0000
    association.release()
    stored(web, series.study, 2)


@pytest.mark.parametrize(
    "attributes", [
        {"StudyDate": "", "AccessionNumber": "", "PatientID": "", "StudyID": ""},
        {"StudyDate": None, "AccessionNumber": None, "PatientID": None, "StudyID": None},
        {"StudyDate": "2011.03.04", "StudyTime": "10:20:30"},
        {"PatientName": "山田^太郎" * 6, "StudyDescription": "x" * 64},
        {"PatientName": "Wang^XiaoDong=王^小东="}],
    ids=["empty", "none", "old dates", "long names", "ideographic"])
@pytest.mark.filterwarnings("ignore")
def test_odd_attributes_are_stored_and_found(archive, web, ct_series, attributes):
    series = ct_series(2, **attributes)
    ae = AE()
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
    for instance in series.instances:
        assert association.send_c_store(instance).Status == 0x0000
    association.release()
    stored(web, series.study, 2)
    assert len(web.retrieve_study(series.study)) == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "keyword, value", [
        ("StudyInstanceUID", ""), ("SeriesInstanceUID", None), ("StudyInstanceUID", "../../../etc"),
        ("SeriesInstanceUID", "1.2/../3"), ("StudyInstanceUID", "1." + "2" * 80)])
def test_unusable_uids_are_refused(archive, ct_series, keyword, value):
    series = ct_series(1)
    instance = series.instances[0]
    if value is None:
        delattr(instance, keyword)
    else:
        pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
        instance[keyword]._value = value
    ae = AE()
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
    status = association.send_c_store(instance).Status
    association.release()
    assert status in (0xA900, 0xC000) or 0xA900 <= status <= 0xA9FF or 0xC000 <= status <= 0xCFFF


def test_data_set_of_another_instance_is_refused(archive, ct_series):
    series = ct_series(1)
    data_set, meta = raw_data_set(series.files[0])
    status = send_raw(archive, data_set, CTImageStorage, generate_uid(), str(meta.TransferSyntaxUID))
    assert 0xA900 <= status <= 0xA9FF


@pytest.mark.parametrize("data_set", [b"\0\0", b"\xff" * 4096, b"\x08\x00\x18\x00UI\xff\xff" + b"1" * 100])
def test_garbage_is_refused(archive, data_set):
    status = send_raw(archive, data_set, CTImageStorage, generate_uid(), "1.2.840.10008.1.2.1")
    assert status != 0x0000
    test_echo(archive)


def test_series_that_disagrees_with_itself(archive, web, ct_series):
    series = ct_series(6)
    for n, instance in enumerate(series.instances):
        instance.StudyDate = f"2024030{n + 1}"
        instance.PatientID = f"DISAGREE-{n}"
    ae = AE()
    ae.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    seen = set()
    for order in (series.instances, series.instances[::-1]):
        association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
        for instance in order:
            assert association.send_c_store(instance).Status == 0x0000
        association.release()
        study = stored(web, series.study, 6)
        seen.add((number(study, "00080020"), number(study, "00100020")))
    assert len(seen) == 1, "the row must not depend on who came last"
    metadata = web.retrieve_series_metadata(series.study, series.series)
    assert {number(one, "00100020") for one in metadata} == {f"DISAGREE-{n}" for n in range(6)}
    for n, instance in enumerate(series.instances):
        filters = {"PatientID": f"DISAGREE-{n}"}
        found = web.search_for_studies(search_filters=filters)
        assert [number(one, "0020000D") for one in found] == [series.study]
        assert [number(one, "00100020") for one in found] == [min(seen)[1]], "the row's values are shown"
        found = web.search_for_instances(search_filters=filters)
        assert [number(one, "00080018") for one in found] == [str(instance.SOPInstanceUID)]
    filters = {"PatientID": "DISAGREE-0", "StudyDate": "20240302"}
    assert web.search_for_studies(search_filters=filters) == [], "no instance has both"


def test_tenant_by_command_element(archive, web, ct_series):
    """The private element (1211,1217) of the command set names the tenant, also as decimal character codes."""
    series = ct_series(1)
    data_set, _ = raw_data_set(series.files[0])
    instance = series.instances[0]
    tenant = "".join(chr(48 + int(c)) for c in "4711")
    value = "\\".join(str(ord(c)) for c in tenant).encode()
    value += b" " * (len(value) % 2)
    store_over_plain_socket(archive, instance, data_set, [(0x1211, 0x1217, value)])
    path = f"{archive.web}/studies/{series.study}/metadata"
    eventually(lambda: requests.get(path, headers={"x-tenant": tenant}, timeout=30).status_code == 200)
    assert requests.get(path, timeout=30).status_code == 404


def pdu(kind, body):
    return struct.pack(">BxL", kind, len(body)) + body


def item(kind, body):
    return struct.pack(">BxH", kind, len(body)) + body


def associate_request(archive, abstract_syntax, transfer_syntax=b"1.2.840.10008.1.2.1"):
    context = item(0x20, b"\x01\0\0\0" + item(0x30, abstract_syntax) + item(0x40, transfer_syntax))
    user = item(0x50, item(0x51, struct.pack(">L", 0)) + item(0x52, b"1.2.3.4"))
    head = struct.pack(">HH", 1, 0) + archive.ae_title.encode().ljust(16) + b"RAW".ljust(16) + bytes(32)
    return pdu(1, head + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user)


def connect(archive):
    return socket.create_connection((archive.host, archive.port), timeout=60)


def receive(connection):
    def exactly(count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            assert more, "the peer closed"
            data += more
        return data

    kind, length = struct.unpack(">BxL", exactly(6))
    return kind, exactly(length)


def element(group, number, value):
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", group, number, len(value)) + value


def store_command(instance, extra=()):
    elements = [
        element(0, 0x0002, instance.SOPClassUID.encode()), element(0, 0x0100, struct.pack("<H", 1)),
        element(0, 0x0110, struct.pack("<H", 1)), element(0, 0x0700, struct.pack("<H", 0)),
        element(0, 0x0800, struct.pack("<H", 0)), element(0, 0x1000, instance.SOPInstanceUID.encode())]
    elements += [element(group, number, value) for group, number, value in extra]
    body = b"".join(elements)
    return element(0, 0, struct.pack("<L", len(body))) + body


def store_over_plain_socket(archive, instance, data_set, extra=(), pdus=None):
    """A C-STORE whose PDUs are made by hand; `pdus` turns command and data into the PDVs of each P-DATA-TF."""
    command = store_command(instance, extra)
    connection = connect(archive)
    with connection:
        connection.sendall(associate_request(archive, instance.SOPClassUID.encode()))
        kind, _ = receive(connection)
        assert kind == 2
        pdv = lambda flags, data: struct.pack(">LBB", len(data) + 2, 1, flags) + data  # noqa: E731
        for group in (pdus or (lambda p, c, d: [[p(3, c)], [p(2, d)]]))(pdv, command, data_set):
            connection.sendall(pdu(4, b"".join(group)))
        kind, answer = receive(connection)
        assert kind == 4
        assert element(0, 0x0900, struct.pack("<H", 0)) in answer
        connection.sendall(pdu(5, bytes(4)))
        assert receive(connection)[0] == 6


def test_request_without_a_data_set_is_answered(archive, ct_series):
    instance = ct_series(1).instances[0]
    command = store_command(instance).replace(
        element(0, 0x0800, struct.pack("<H", 0)), element(0, 0x0800, struct.pack("<H", 0x0101)))
    with connect(archive) as connection:
        connection.sendall(associate_request(archive, instance.SOPClassUID.encode()))
        receive(connection)
        connection.sendall(pdu(4, struct.pack(">LBB", len(command) + 2, 1, 3) + command))
        kind, answer = receive(connection)
        assert kind == 4
        assert element(0, 0x0900, struct.pack("<H", 0xC000)) in answer


def test_fragments_mixed_in_one_pdu(archive, web, ct_series):
    """Several command and several data fragments in one P-DATA-TF (PS3.8 9.3.5 and annex E)."""
    series = ct_series(1)
    data_set, _ = raw_data_set(series.files[0])

    def mixed(pdv, command, data):
        return [[
            pdv(1, command[:10]), pdv(1, command[10:30]), pdv(3, command[30:]), pdv(0, data[:1]), pdv(0, data[1:77]),
            pdv(0, b""), pdv(2, data[77:])]]

    store_over_plain_socket(archive, series.instances[0], data_set, pdus=mixed)
    stored(web, series.study, 1)


def test_byte_by_byte(archive, web, ct_series):
    series = ct_series(1)
    data_set, _ = raw_data_set(series.files[0])
    store_over_plain_socket(
        archive, series.instances[0], data_set,
        pdus=lambda pdv, command, data: [[pdv(1, command[n:n + 1])] for n in range(len(command) - 1)]
        + [[pdv(3, command[-1:])]] + [[pdv(0, data[n:n + 97])] for n in range(0, len(data), 97)] + [[pdv(2, b"")]])
    stored(web, series.study, 1)


def test_silent_connections_keep_nobody_out(archive, ct_series):
    silent = [connect(archive) for _ in range(100)]
    try:
        archive.dcmtk("echoscu")
        archive.dcmtk("storescu", *ct_series(1).files)
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.parametrize(
    "bytes_sent", [
        b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\xff\xff\xff\xff", b"\x04\x00\x00\x00\x00\x06" + bytes(6), b"\x16\x03\x01" * 50,
        b"\x01\x00\x00\x00\x00\x04" + bytes(4), b"\x09\x00\x00\x00\x00\x00"])
def test_hostile_bytes(archive, bytes_sent):
    with connect(archive) as connection:
        connection.sendall(bytes_sent)
        connection.settimeout(5)
        try:
            connection.recv(1000)
        except OSError:
            pass
    test_echo(archive)


def test_connection_cut_in_the_middle_leaves_nothing(archive, web, ct_series):
    series = ct_series(1)
    data_set, _ = raw_data_set(series.files[0])
    command = store_command(series.instances[0])
    with connect(archive) as connection:
        connection.sendall(associate_request(archive, CTImageStorage.encode()))
        receive(connection)
        for flags, data in [(3, command), (0, data_set[:-100])]:
            connection.sendall(pdu(4, struct.pack(">LBB", len(data) + 2, 1, flags) + data))
    test_echo(archive)
    assert web.search_for_studies(search_filters={"StudyInstanceUID": series.study}) == []


def test_aborted_association(archive):
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate(archive.host, archive.port, ae_title=archive.ae_title)
    association.abort()
    test_echo(archive)
    assert evt.EVT_ABORTED is not None
