using System.Runtime.InteropServices;

namespace Bitflow.Net.Linux;

/// <summary>What linux/io_uring.h lays down, as far as it is used here; the same on every architecture. The calls are in <see cref="Libc"/>.</summary>
internal static class IoUring
{
    // What a ring is made with (IORING_SETUP_*).
    public const uint SetupCompletionEntries = 1 << 3;
    public const uint SetupSubmitAll = 1 << 7;
    public const uint SetupSingleIssuer = 1 << 12;
    public const uint SetupDeferTaskRun = 1 << 13;

    // Where its parts are mapped, and how large their entries are.
    public const long RingsOffset = 0;
    public const long SubmissionsOffset = 0x10000000;
    public const int SubmissionBytes = 64;
    public const int CompletionBytes = 16;
    public const int BufferEntryBytes = 16;

    // Operations and their flags (IORING_OP_*, IOSQE_*, IORING_RECV_*).
    public const byte Poll = 6;
    public const byte Cancel = 14;
    public const byte Send = 26;
    public const byte Receive = 27;
    public const byte SelectBuffer = 1 << 5;
    public const byte SkipSuccess = 1 << 6;
    public const ushort ReceiveMultishot = 1 << 1;

    // What a completion says (IORING_CQE_F_*).
    public const uint HasBuffer = 1;
    public const uint MoreFollows = 1 << 1;

    // What the flags of the submission ring say (IORING_SQ_*).
    public const uint CompletionsOverflow = 1 << 1;

    // io_uring_enter(2) and io_uring_register(2).
    public const uint EnterGetEvents = 1;
    public const uint EnterExtendedArgument = 1 << 3;
    public const uint EnterRegistered = 1 << 4;
    public const int RegisterDescriptor = 20;
    public const int RegisterBuffers = 22;

    /// <summary>struct io_uring_params: what is asked of a ring, and where its parts lie in the mapped memory.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    public struct Parameters
    {
        [FieldOffset(0)]
        public uint SubmissionEntries;

        [FieldOffset(4)]
        public uint CompletionEntries;

        [FieldOffset(8)]
        public uint Flags;

        [FieldOffset(40)]
        public uint SubmissionHead;

        [FieldOffset(44)]
        public uint SubmissionTail;

        [FieldOffset(48)]
        public uint SubmissionMask;

        [FieldOffset(56)]
        public uint SubmissionFlags;

        [FieldOffset(64)]
        public uint SubmissionPlaces;

        [FieldOffset(80)]
        public uint CompletionHead;

        [FieldOffset(84)]
        public uint CompletionTail;

        [FieldOffset(88)]
        public uint CompletionMask;

        [FieldOffset(100)]
        public uint Completions;
    }
}
