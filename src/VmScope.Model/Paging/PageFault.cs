namespace VmScope.Paging;

/// <summary>What an instruction wanted with an address.</summary>
public enum AccessKind
{
    /// <summary>Reading.</summary>
    Read,

    /// <summary>Writing.</summary>
    Write,

    /// <summary>Executing.</summary>
    Fetch,
}

/// <summary>Why the processor refused an access.</summary>
public enum FaultKind
{
    /// <summary>Some entry on the way is not present.</summary>
    NotPresent,

    /// <summary>The page is there, but not for this.</summary>
    Protection,

    /// <summary>The address is not canonical: a general protection fault, without error code or CR2.</summary>
    NotCanonical,
}

/// <summary>A fault: what the processor reports when it cannot carry out an access.</summary>
/// <param name="Address">The address (CR2).</param>
/// <param name="Access">What was wanted.</param>
/// <param name="Kind">Why it was refused.</param>
/// <param name="IsUser">Whether it happened in user mode.</param>
/// <param name="TellsFetches">Whether the error code tells an instruction fetch from a read: only with the no-execute bit in use.</param>
/// <param name="Walk">The way through the page tables.</param>
public sealed record PageFault(VirtualAddress Address, AccessKind Access, FaultKind Kind, bool IsUser, bool TellsFetches, PageWalk Walk)
{
    /// <summary>
    /// The error code the processor pushes: bit 0 protection rather than absence, bit 1 write, bit 2 user mode,
    /// bit 4 instruction fetch, where the no-execute bit is in use.
    /// </summary>
    public uint ErrorCode =>
        (Kind == FaultKind.Protection ? 1u : 0)
        | (Access == AccessKind.Write ? 2u : 0)
        | (IsUser ? 4u : 0)
        | (Access == AccessKind.Fetch && TellsFetches ? 16u : 0);

    /// <summary>The error code in words.</summary>
    public string ErrorCodeText
    {
        get
        {
            string who = IsUser ? "user" : "kernel";
            string what = Access switch
            {
                AccessKind.Read => "read",
                AccessKind.Write => "write",
                AccessKind.Fetch => "instruction fetch",
            };
            string why = Kind switch
            {
                FaultKind.NotPresent => "no page there",
                FaultKind.Protection => "the page forbids it",
                FaultKind.NotCanonical => "the address is not canonical",
            };
            return $"{who} {what}, {why}";
        }
    }
}
