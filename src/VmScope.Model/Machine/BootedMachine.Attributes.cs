using VmScope.Paging;

namespace VmScope.Machine;

/// <summary>A change of rights.</summary>
public enum PageRight
{
    /// <summary>set_memory_ro.</summary>
    ReadOnly,

    /// <summary>set_memory_rw.</summary>
    Writable,

    /// <summary>set_memory_x.</summary>
    Executable,

    /// <summary>set_memory_nx.</summary>
    NotExecutable,
}

/// <content>Rights of kernel mappings.</content>
public sealed partial class BootedMachine
{
    /// <summary>set_memory_ro and its relatives.</summary>
    /// <param name="right">Which.</param>
    /// <param name="address">The first address, page aligned.</param>
    /// <param name="pages">Pages; 1 or more.</param>
    public OperationReport SetMemory(PageRight right, VirtualAddress address, int pages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pages, 1);
        ActionLog log = new();
        string function = right switch
        {
            PageRight.ReadOnly => "set_memory_ro",
            PageRight.Writable => "set_memory_rw",
            PageRight.Executable => "set_memory_x",
            PageRight.NotExecutable => "set_memory_nx",
        };
        string name = $"{function}({address}, {pages})";
        if (!Attributes.Facts.HasFunctions)
        {
            return new OperationReport(name, Succeeded: false, "this kernel has no such function: 2.6.25 has", log);
        }

        if (!Align.IsAligned(address.Value, 4096) || address < Layout.PageOffset || unchecked(address.Value + ((ulong)pages << 12) - 1) < address.Value)
        {
            return new OperationReport(name, Succeeded: false, $"{address} and {pages} pages are no run of whole kernel pages", log);
        }

        ulong noExecute = Tables.Flags.Data & X86Entry.NoExecute;
        if (right is PageRight.Executable or PageRight.NotExecutable && noExecute == 0)
        {
            log.Step("the processor or the kernel has no right to execute that could be taken away");
            return new OperationReport(name, Succeeded: true, "nothing to change", log);
        }

        // Addresses freed lazily may still map the pages whose rights change.
        Vmalloc.UnmapAliases(log);
        Pkmap?.FlushUnused(log);
        bool rootChanged = _rootChanged;
        ulong readOnly = X86Entry.Writable | (Attributes.Facts.ReadOnlyClearsDirty ? X86Entry.Dirty : 0);
        string? problem = right switch
        {
            PageRight.ReadOnly => Attributes.Change(address, pages, set: 0, clear: readOnly, log),
            PageRight.Writable => Attributes.Change(address, pages, set: X86Entry.Writable, clear: 0, log),
            PageRight.Executable => Attributes.Change(address, pages, set: 0, clear: noExecute, log),
            PageRight.NotExecutable => Attributes.Change(address, pages, set: noExecute, clear: 0, log),
        };
        _rootChanged = rootChanged;
        CopyRootToProcesses(log);
        if (problem is not null)
        {
            log.Messages.Add(problem);
        }

        return new OperationReport(name, problem is null, problem is null ? $"{pages} page{(pages == 1 ? "" : "s")} changed" : $"refused: {problem}", log)
        {
            Address = problem is null ? address : null,
        };
    }

    /// <summary>A changed entry of the root is written to every process's directory at once (32 bit, __set_pmd_pte()).</summary>
    private void CopyRootToProcesses(ActionLog log)
    {
        foreach ((string process, PhysicalAddress root) in _processes.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            int copied = Attributes.ChangedRootEntries.Order().Count(index => CopyRootEntry(root, index, log));
            if (copied > 0)
            {
                log.Step($"{copied} changed kernel directory entries are written to {process} too");
            }
        }

        Attributes.ChangedRootEntries.Clear();
    }
}
