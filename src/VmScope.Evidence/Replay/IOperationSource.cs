namespace VmScope.Replay;

/// <summary>Where operations come from: a trace, a file of operations, or a generated workload.</summary>
internal interface IOperationSource
{
    /// <summary>The name that messages give.</summary>
    string Name { get; }

    /// <summary>Events read so far, markers apart.</summary>
    long Events { get; }

    /// <summary>Bytes read so far; 0 where there is no file.</summary>
    long Bytes { get; }

    /// <summary>Whether operations carry the kernel's addresses. Otherwise starts are names that tie a free to its allocation.</summary>
    bool HasAddresses { get; }

    /// <summary>Reads up to the next operation.</summary>
    /// <returns>False at the end.</returns>
    bool TryRead(ref ReplayOperation operation);
}
