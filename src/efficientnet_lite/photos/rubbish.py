"""What lies among photos and is none, told by its name: folders and files of systems, editors, network drives. Pure.

These are tables; who walks a folder looks into the bytes of such a file before passing it over. Folders
with these names are not entered.
"""

import re
from pathlib import PurePosixPath

HIDDEN_FOLDERS, HIDDEN_FILES, BACKUPS = "hidden folders", "hidden files", "backup files"

# Names of folders, in the spelling of who makes them; they count in any case, but for those that could be classes.
_FOLDERS = """
    @eaDir|#recycle|#snapshot|@tmp|@sharebin|@appstore|@database|@Recycle|@Recently-Snapshot|@Transcode|~snapshot
    $RECYCLE.BIN|System Volume Information|$WinREAgent|Config.Msi|msdownld.tmp
    lost+found|__MACOSX|Network Trash Folder|Temporary Items|TheVolumeSettingsFolder|Desktop DB|Desktop DF
    @SynoEAStream|@SynoResource|@synologydrive|@SynoFinder-log|@img_bkp_cache|@cloudsync|@S2S
    OneDriveTemp|_vti_cnf|_vti_pvt|TheFindByContentFolder|resource.frk|__pycache__|node_modules|_gsdata_
"""
_FOLDER_NAMES = {
    name.casefold(): name for line in _FOLDERS.split("\n") for name in line.strip().split("|") if name
}
_FOLDER_PATTERNS = (
    (re.compile(r"RECYCLE[RD]"), "RECYCLER"),
    (re.compile(r"paxheaders?(\.\d+)?", re.I), "PaxHeader"),
    (re.compile(r"found\.\d{3}", re.I), "FOUND.000"),
    (re.compile(r".+\.lrdata", re.I), "*.lrdata"),
)

_FILES = """
    Thumbs.db|ehthumbs.db|ehthumbs_vista.db|desktop.ini|folder.ini|Icon|autorun.inf|IconCache.db|Sentinel|pspbrwse.jbf
    README|LICENSE|LICENCE|COPYING|NOTICE|AUTHORS|CONTRIBUTORS|CHANGELOG|CHANGES|CITATION|VERSION|INSTALL|MANIFEST
    Makefile|Dockerfile|Jenkinsfile|Vagrantfile|SHA256SUMS|SHA1SUMS|MD5SUMS|CHECKSUMS|SYNOINDEX_MEDIA_INFO
"""
_FILE_NAMES = {
    name.casefold(): name for line in _FILES.split("\n") for name in line.strip().split("|") if name
}

# Beside photos, by the name's end: sidecars, texts, films, archives, data, programs, what is half downloaded.
_SUFFIXES = """
    .xmp .aae .pp3 .dop .on1 .cos .cop .comask .arp .lrcat .lrprev .lrdata .ithmb .thm .thmb .jbf .itc2 .sidecar
    .exif .iptc .icc .icm .cube .vrd .dr4 .ctg .ind .nks .nksc .spd .gpx .kml .nmea .geo .srt .vtt .lrv
    .cot .cocatalogdb .lrcat-data .db:encryptable .mp .sys
    .url .webloc .lnk .desktop .website .cache .db .db-wal .db-shm .db-journal .sqlite .sqlite3 .inf .ini .cfg .conf
    .identifier .dvc .directory .info .nfo .properties .torrent .md5 .sha1 .sha256 .sha512 .sfv .crc .sig .asc .par2
    .txt .text .md .rst .rtf .csv .tsv .json .jsonl .ndjson .geojson .xml .yaml .yml .toml .html .htm .mht .css .log
    .tex .bib .names .lst .list .labels .label .data .dat .cvs
    .py .pyc .pyo .pyi .ipynb .js .ts .sh .bat .cmd .ps1 .c .h .cpp .hpp .java .class .jar .m .r .rb .go .rs .php .sql
    .pdf .doc .docx .odt .xls .xlsx .ods .ppt .pptx .odp .epub .pages .numbers .eml .msg
    .mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .3gp .wmv .flv .mts .m2ts .insv .vob .ogv
    .mp3 .wav .m4a .aac .flac .ogg .wma .opus .amr .aif .aiff
    .zip .tar .gz .tgz .bz2 .tbz .xz .txz .7z .rar .zst .lz4 .iso .dmg .img .exe .dll .so .dylib .apk .msi .deb .rpm
    .npy .npz .pkl .pickle .joblib .mat .pt .pth .ckpt .h5 .hdf5 .keras .onnx .tflite .pb .safetensors .bin
    .parquet .pq .arrow .feather .avro .orc .tfrecord .tfrecords .tfrec .lmdb .mdb .rec .idx .array_record .msgpack
    .proto .tmp .temp .part .partial .crdownload .download .opdownload .aria2 .lock .pid .bak .old .orig .swp .swo .swn
"""
NO_PHOTO_SUFFIXES = frozenset(_SUFFIXES.split())
_ENDINGS = ("@synoeastream", "@synoresource")  # of Synology's streams, grown on to the name of a photo


def folder_kind(name: str) -> str | None:
    """What a folder of this name is, with a slash; None for one that may hold photos."""
    if name.startswith("."):
        return HIDDEN_FOLDERS
    known = _FOLDER_NAMES.get(name.casefold())
    known = known or next((kind for pattern, kind in _FOLDER_PATTERNS if pattern.fullmatch(name)), None)
    return f"{known}/" if known else None


def file_kind(name: str) -> str | None:
    """What a file of this name is unless its bytes say otherwise; None for what its content alone decides."""
    if name.startswith("."):
        return HIDDEN_FILES
    if name.endswith("~") or name.startswith("~$") or (name.startswith("#") and name.endswith("#")):
        return BACKUPS
    lower = name.casefold()
    if known := _FILE_NAMES.get(lower.rstrip("\r")):
        return known
    suffix = PurePosixPath(lower).suffix
    if suffix in NO_PHOTO_SUFFIXES:
        return suffix
    return next((ending for ending in _ENDINGS if lower.endswith(ending)), None)
